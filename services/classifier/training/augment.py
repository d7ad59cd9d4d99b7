"""Copies of training texts that say the same: a harmless sentence more changes no severity.

Without them the model learns that "nobody was hurt" goes with grave matters, which is true of the
texts that people write, and would take a broken zip for one. Which texts are copied depends on their
ids alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import structs

from services.classifier.training.dataset import Example

EVERY: Final = 8
"""One text of so many gets each kind of sentence."""

UNHURT: Final = {
    "en": (
        "Nobody was hurt.",
        "No one was injured, thankfully.",
        "Nobody got hurt.",
        "No injuries.",
    ),
    "es": ("Nadie resultó herido.", "No hubo heridos.", "Por suerte nadie se hizo daño."),
    "fr": ("Personne n'a été blessé.", "Pas de blessés.", "Heureusement, personne n'est blessé."),
    "de": (
        "Niemand wurde verletzt.",
        "Verletzt wurde zum Glück niemand.",
        "Es gab keine Verletzten.",
    ),
    "pt": ("Ninguém ficou ferido.", "Não houve feridos.", "Felizmente ninguém se machucou."),
    "it": ("Nessuno si è fatto male.", "Nessun ferito.", "Per fortuna nessuno è rimasto ferito."),
    "nl": (
        "Niemand is gewond geraakt.",
        "Er zijn geen gewonden.",
        "Gelukkig raakte niemand gewond.",
    ),
    "pl": (
        "Nikomu nic się nie stało.",
        "Nikt nie został ranny.",
        "Na szczęście nikt nie ucierpiał.",
    ),
    "tr": ("Kimse yaralanmadı.", "Yaralanan olmadı.", "Çok şükür kimseye bir şey olmadı."),
    "ja": ("けが人はいません。", "誰もけがはしていません。", "幸い怪我人は出ていません。"),
    "ar": ("لم يصب أحد.", "لم يتأذ أحد.", "الحمد لله ما صار لأحد شي."),
}
THANKS: Final = {
    "en": ("Thanks for your help.", "Thank you, kind regards.", "Many thanks.", "Thanks!"),
    "es": ("Gracias por su ayuda.", "Muchas gracias, un saludo.", "Gracias."),
    "fr": ("Merci pour votre aide.", "Merci d'avance, cordialement.", "Merci."),
    "de": ("Danke für Ihre Hilfe.", "Vielen Dank und freundliche Grüße.", "Danke!"),
    "pt": ("Obrigado pela ajuda.", "Muito obrigada, cumprimentos.", "Obrigada."),
    "it": ("Grazie per l'aiuto.", "Grazie mille, cordiali saluti.", "Grazie."),
    "nl": ("Bedankt voor de hulp.", "Alvast bedankt, groeten.", "Dank u."),
    "pl": ("Dziękuję za pomoc.", "Z góry dziękuję, pozdrawiam.", "Dzięki."),
    "tr": ("Yardımınız için teşekkürler.", "Şimdiden teşekkür ederim.", "Teşekkürler."),
    "ja": ("よろしくお願いいたします。", "ご対応ありがとうございます。", "どうぞよろしく。"),
    "ar": ("شكرا على مساعدتكم.", "شكرا جزيلا مع تحياتي.", "شكرا."),
}


def augmented(examples: Iterable[Example]) -> list[Example]:
    """Return the examples and their copies; a copy stays in the fold of its original."""
    found: list[Example] = []
    for example in examples:
        found.append(example)
        draw = hashlib.blake2b(example.id.encode(), digest_size=8).digest()
        for kind, sentences in enumerate((UNHURT, THANKS)):
            some = sentences.get(example.lang)
            if some and draw[kind] % EVERY == 0:
                found.append(_with(example, _one(some, draw[kind + 2])))
    return found


def _one(sentences: Sequence[str], draw: int) -> str:
    return sentences[draw % len(sentences)]


def _with(example: Example, sentence: str) -> Example:
    return structs.replace(
        example, text=f"{example.text} {sentence}", group=example.group or example.id
    )
