"""Languages: the platform's word in its many spellings, else detection."""

from __future__ import annotations

import pytest

from services.ingest.channels.normalise.language import MAX_DETECTED, language, tag_of
from shared.events import LanguageSource

TEXTS = {
    "en": "The parcel never came and nobody answers my letters.",
    "de": "Das Paket kam nie an, und niemand beantwortet meine Briefe.",
    "fr": "Le colis n'est jamais arrivé et personne ne répond à mes lettres.",
    "es": "El paquete nunca llegó y nadie responde a mis cartas.",
    "it": "Il pacco non è mai arrivato e nessuno risponde alle mie lettere.",
    "pt": "A encomenda nunca chegou e ninguém responde às minhas cartas.",
    "nl": "Het pakket is nooit aangekomen en niemand beantwoordt mijn brieven.",
    "pl": "Paczka nigdy nie dotarła i nikt nie odpowiada na moje listy.",
    "ru": "Посылка так и не пришла, и никто не отвечает на мои письма.",
    "tr": "Paket hiç gelmedi ve kimse mektuplarıma cevap vermiyor.",
    "ar": "لم يصل الطرد أبدا ولا أحد يجيب على رسائلي",
    "he": "החבילה מעולם לא הגיעה ואף אחד לא עונה למכתבים שלי",
    "hi": "पार्सल कभी नहीं आया और कोई मेरे पत्रों का जवाब नहीं देता",
    "ja": "荷物が届かず、手紙にも返事がありません。",
    "ko": "소포가 오지 않았고 아무도 제 편지에 답하지 않습니다.",
    "zh": "包裹一直没有到，也没有人回复我的信。",
    "uk": "Посилка так і не прийшла, і ніхто не відповідає на мої листи.",
}


@pytest.mark.parametrize(("tag", "text"), TEXTS.items())
def test_a_sentence_is_enough(tag: str, text: str) -> None:
    found = language(text)
    assert found is not None
    assert (found.tag, found.source) == (tag, LanguageSource.DETECTED)
    assert found.confidence is not None
    assert 0.5 < found.confidence <= 1


@pytest.mark.parametrize("text", ["", "ok", "👍👍👍", "12345", "[email] [phone]", "?!"])
def test_too_little_to_tell(text: str) -> None:
    assert language(text) is None


def test_what_is_no_language_does_not_count() -> None:
    german = TEXTS["de"]
    noise = "[email] [national_id] https://www.the-best-shop-in-the-world.example/all/about/us "
    found = language(noise * 3 + german)
    assert found is not None
    assert found == language(german)


def test_only_the_beginning_is_looked_at() -> None:
    text = (TEXTS["de"] + " ") * 20
    assert language(text[:MAX_DETECTED] + TEXTS["ru"] * 100) == language(text[:MAX_DETECTED])


def test_text_that_was_not_cleaned_is_no_error() -> None:
    assert language("\x00\x01\ufdd0\ud800") is None


def test_the_platform_knows_better() -> None:
    found = language(TEXTS["de"], "en_GB")
    assert found is not None
    assert (found.tag, found.source, found.confidence) == ("en-GB", LanguageSource.PROVIDER, None)


@pytest.mark.parametrize("hint", ["und", "", "x!", "auto", "mul", "a-language-of-mine"])
def test_a_hint_that_says_nothing_is_none(hint: str) -> None:
    found = language(TEXTS["de"], hint)
    assert found is not None
    assert (found.tag, found.source) == ("de", LanguageSource.DETECTED)


@pytest.mark.parametrize(
    ("hint", "tag"),
    [
        ("en", "en"),
        (" EN ", "en"),
        ("pt_BR", "pt-BR"),
        ("PT-br", "pt-BR"),
        ("zh-hant-tw", "zh-Hant-TW"),
        ("es-419", "es-419"),
        ("iw", "he"),
        ("in-ID", "id-ID"),
        ("english", "en"),
        ("German", "de"),
        ("mandarin", "zh"),
        ("scottish_gaelic", "gd"),
        ("hebrew", "he"),
        ("deu", "de"),
        ("chi", "zh"),
        ("de-x-informal", "de-x-informal"),
        ("yue", "yue"),
        ("zxx", None),
        ("klingon!", None),
        ("", None),
        ("None", None),
        ("None-a-tag-at-all-really", None),
    ],
)
def test_tags_in_their_usual_spelling(hint: str, tag: str | None) -> None:
    assert tag_of(hint) == tag
    assert tag is None or tag_of(tag) == tag
