"""A small language guess by script and function words, for items that do not say theirs."""

from __future__ import annotations

import re
from typing import Final

from services.classifier.severity.normalise import Folded

_WORDS: Final = {
    "en": "the and is was are i my you your it to of for that this have not with on in at but they we "
    "be has been had were from me so just what when how can will would did do does an please hi no "
    "she he her his its there their out up after why",
    "es": "el la los las de que y no en un una me mi por con para es se lo les del pero su como más ha "
    "han he muy ya hay está cuando porque hola buenos gracias usted ustedes fue esta este sin al sobre "
    "tengo nada les soy ni qué",
    "fr": "le la les de des et je vous est que pas un une pour dans mon ma mes ne ce sur avec en votre "
    "nous au du qui par plus il elle j'ai c'est n'est bonjour merci depuis mais sans suis été avez être "
    "cette son tout très y",
    "de": "der die das und ich nicht ist ein eine zu mit auf für sie wir mir mich den dem von im es hat "
    "habe war bei auch aber wie noch seit nach wird ihr ihre mein meine hallo bitte sind einen kein "
    "keine so am um an",
    "pt": "o a os as de que e não em um uma me meu minha por com para é se do da no na dos das mas foi "
    "ao já mais eu vocês você muito isso está há quando olá obrigado obrigada sem nem pela pelo são ter "
    "estou bom",
    "it": "il la lo gli le di che e non un una mi mio mia per con è si del della dei al alla nel ma ho "
    "ha sono come più da in ci vi anche questo questa buongiorno grazie stato quando dopo senza sul "
    "dal nella molto i",
    "nl": "de het een en ik niet is van te dat op met voor mijn u jullie we er aan in om maar zijn was "
    "heb heeft bij ook als nog naar dan die dit wel geen hallo graag uw wordt al hoe door uit over "
    "mij",
    "pl": "i w na nie z się że to do jest mi mój moja po od za jak ale o dla ma co czy już tego przez "
    "był była są dzień dobry proszę mam pan pani państwo jestem tylko ze tak u bardzo bez kiedy mnie",
    "tr": "bir ve bu da de için ile çok ama ne benim var yok gibi daha mi mı sonra kadar olarak değil "
    "ben siz merhaba iyi günler diye her o şu ya en hiç lütfen bana size hala olan dedi ki",
}
_KANA: Final = re.compile("[\u3040-\u30ff]")
_ARABIC: Final = re.compile("[\u0620-\u064a]")
_TOKEN: Final = re.compile(r"[a-z']+|[^\x00-\x7f]")
_MAX_TOKENS: Final = 120


def _index() -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for language, words in _WORDS.items():
        for word in words.split():
            found.setdefault(Folded(word).raw.decode(), set()).add(language)
    return {word: tuple(sorted(languages)) for word, languages in found.items()}


_LANGUAGES_OF: Final = _index()


def primary(tag: str | None) -> str | None:
    """Return the primary subtag of a BCP 47 tag in lower case (``pt-BR`` → ``pt``)."""
    return tag.replace("_", "-").partition("-")[0].strip().lower() or None if tag else None


def detect(text: Folded) -> str | None:
    """Return the language that ``text`` seems to be in, or None if that is not clear."""
    decoded = text.raw[:4000].decode("utf-8", "ignore")
    if not decoded.isascii():
        if len(_KANA.findall(decoded)) >= 2:
            return "ja"
        if len(_ARABIC.findall(decoded)) >= 3:
            return "ar"
    scores: dict[str, float] = {}
    for token in _TOKEN.findall(decoded)[:_MAX_TOKENS]:
        languages = _LANGUAGES_OF.get(token, ())
        for language in languages:
            scores[language] = scores.get(language, 0.0) + 1.0 / len(languages)
    if not scores:
        return None
    (best, top), second = _leader(scores)
    return best if top >= 1.5 and top > second * 1.2 else None


def _leader(scores: dict[str, float]) -> tuple[tuple[str, float], float]:
    ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    return ranked[0], ranked[1][1] if len(ranked) > 1 else 0.0
