"""The language guess on one ordinary sentence each."""

from __future__ import annotations

import pytest

from services.classifier.severity.language import detect, primary
from services.classifier.severity.normalise import Folded

SENTENCES = {
    "en": "I was told that the engineer would be here on Monday.",
    "es": "Hola, me dijeron que el técnico iba a venir el lunes por la mañana.",
    "fr": "Bonjour, on m'a dit que le technicien serait là dans la matinée.",
    "de": "Guten Tag, der Techniker ist am Montag nicht gekommen und ich warte.",
    "pt": "Olá, disseram que o técnico vinha na segunda mas não apareceu.",
    "it": "Buongiorno, il tecnico non è venuto e sono ancora senza risposta.",
    "nl": "Hallo, de monteur is niet gekomen en ik wacht nog op bericht.",
    "pl": "Dzień dobry, technik nie przyszedł i nie mam od państwa odpowiedzi.",
    "tr": "Merhaba, teknisyen gelmedi ve bana bir açıklama yok, çok üzgünüm.",
    "ja": "担当の方が来ませんでした。",
    "ar": "السلام عليكم لم يأت الفني",
}


@pytest.mark.parametrize(("language", "text"), SENTENCES.items())
def test_detect(language: str, text: str) -> None:
    assert detect(Folded(text)) == language


@pytest.mark.parametrize("text", ["", "ok", "12345 !!!", "Zxcvb qwrt", "😀😀"])
def test_detect_gives_up(text: str) -> None:
    assert detect(Folded(text)) is None


@pytest.mark.parametrize(
    ("tag", "code"), [("pt-BR", "pt"), ("EN_us", "en"), ("", None), (None, None), ("-", None)]
)
def test_primary(tag: str | None, code: str | None) -> None:
    assert primary(tag) == code
