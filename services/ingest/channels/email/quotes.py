"""The customer's own words of a plain text: without quoted history and signature.

One pass over the lines, since every quote stripper that works with one large regular expression can
be made to run for seconds. The expressions of mail-parser-reply are used for what the lines do not
show, on a text that is short and tame enough for them.
"""

from __future__ import annotations

import re
from functools import lru_cache

from mailparser_reply.parser import EmailMessage  # type: ignore[import-untyped]

MAX_SEARCHED = 16_384
_MAX_LINE = 500
_MAX_SIGNATURE_LINES = 12

_WROTE = (
    r"wrote|writes|said|schrieb|schrieben|a écrit|escribió|escribio|escreveu|ha scritto|scrive|"
    r"schreef|skrev|napisał(?:\(?a\)?)?|пишет|написала?|kirjoitti|yazdı|napsala?|írta|写道|寫道|"
    r"のメッセージ|님이 작성"
)
_SENDER_LABEL = (
    r"from|von|de|da|van|från|fra|od|от|kimden|lähettäjä|feladó|发件人|寄件者|差出人|보낸 사람"
)
_OTHER_LABELS = (
    r"sent|date|to|cc|subject|gesendet|datum|an|betreff|envoyé|à|objet|enviado(?: el| em)?|"
    r"enviada(?: em)?|fecha|para|asunto|data|assunto|inviato|a|oggetto|verzonden|aan|onderwerp|"
    r"skickat|till|ämne|sendt|til|emne|wysłano|do|temat|отправлено|дата|кому|тема|"
    r"发送时间|收件人|主题|主旨|日期|送信日時|宛先|件名|날짜|받는 사람|제목"
)
_FROM_LINE = re.compile(rf"[*>\s]*(?:{_SENDER_LABEL})\s?\*?\s?[:：]", re.IGNORECASE)
_OTHER_LINE = re.compile(rf"[*>\s]*(?:{_OTHER_LABELS})\s?\*?\s?[:：]", re.IGNORECASE)
_SEPARATOR = re.compile(
    r"[\s>]*-{2,}\s?(?:original message|ursprüngliche nachricht|message d'origine|"
    r"mensaje original|mensagem original|messaggio originale|oorspronkelijk bericht|"
    r"originalmeddelande|wiadomość oryginalna|исходное сообщение|原始邮件|原始郵件|"
    r"original appointment|reply message)\s?-{2,}\s*",
    re.IGNORECASE,
)
_FORWARDED = re.compile(
    r"(?m)^[ >]*(?:-{2,}\s?(?:forwarded message|weitergeleitete nachricht|message transféré|"
    r"mensaje reenviado|mensagem encaminhada|messaggio inoltrato|doorgestuurd bericht)|"
    r"begin forwarded message|anfang der weitergeleiteten)",
    re.IGNORECASE,
)
_OPENER = re.compile(
    r"\s*(?:on|am|le|el|em|no dia|il|op|den|på|w dniu|dnia|dne|в|\d{1,4}[./年-]|"
    r"(?:mon|tue|wed|thu|fri|sat|sun|пн|вт|ср|чт|пт|сб|вс)[a-z]*,?)\s?",
    re.IGNORECASE,
)
_SAYS = re.compile(
    rf"(?:\b|\s)(?:{_WROTE})\s*(?:<[^<>\s]{{1,320}}>)?\s*[:：]$|>\)?\s?[:：]$", re.IGNORECASE
)
_DATED = re.compile(r"@|\b(?:19|20)\d\d\b|\d{1,2}[:.h]\d{2}")
_SENT_FROM = re.compile(
    r"(?:sent from (?:my|outlook|mail for|yahoo|gmail|proton|samsung|aol|the all.new)\b|"
    r"sent via (?:my|the .{1,30} app|bt email|outlook)\b|get outlook for |"
    r"von meinem .{1,40} gesendet|diese nachricht wurde von meinem |"
    r"gesendet (?:von (?:mein|mail|outlook)|mit der .{1,30}\bapp\b|via outlook)|"
    r"envoyé (?:depuis (?:mon|ma|outlook|yahoo|l.appli)|de mon|à partir de (?:mon|outlook))|"
    r"enviado (?:desde (?:mi|outlook)|do (?:meu|outlook)|de meu)\b|"
    r"inviato da(?:l mio| iphone| ipad| outlook| android| yahoo| libero| samsung)|"
    r"verzonden (?:vanaf|met|via) (?:mijn|outlook|yahoo)|skickat från (?:min|outlook)|"
    r"sendt fra (?:min|mit|outlook)|wysłan[eo] z (?:mojego|telefonu|iphone|outlook)|"
    r"lähetetty (?:iphone|outlook|puhelim)|отправлено (?:с|из) (?:моего|iphone|outlook|мобильн)|"
    r"发自(?:我的| ?iphone)|從我的|iphoneから送信|나의 iphone).{0,60}",
    re.IGNORECASE,
)
_RUNS = re.compile(r"([-_=*>#~ ])\1{79,}")


def own_words(text: str, languages: tuple[str, ...] = (), *, reply: bool) -> str:
    """Return ``text`` without signature and, if it is a ``reply``, without quoted history.

    ``languages``: in which mail programs of customers write besides English, for the headers of
    quotes. Where nothing would remain, or where something is forwarded, the text comes back whole.
    """
    text = text.replace("\r\n", "\n").strip("\n")
    lines = text.split("\n")
    if reply and not _FORWARDED.search(text[:MAX_SEARCHED]):
        lines = _without_history(lines)
        if len(lines) > 1:
            lines = _cut_by_library(lines, languages)
    own = "\n".join(_without_signature(lines)).strip()
    return own or text.strip()


def _without_history(lines: list[str]) -> list[str]:
    """Leave out lines with ``>`` and what announces them; what was written between them stays."""
    kept: list[str] = []
    quoting = False
    for index, line in enumerate(lines):
        if line.startswith((">", " >")):
            if not quoting:
                _drop_announcement(kept)
            quoting = True
            continue
        if line:
            wrapped = _history_begins(kept, lines, index)
            if wrapped is not None:
                del kept[len(kept) - wrapped :]
                break
            quoting = False
        kept.append(line)
    while kept and not kept[-1].strip("_- \t*"):
        kept.pop()
    return kept


def _history_begins(kept: list[str], lines: list[str], index: int) -> int | None:
    """Return how many of the lines kept so far belong to the header of a quote that is at ``index``.

    What follows it is history to the end: without ``>`` nothing tells where it stops. None: no header.
    """
    line = lines[index]
    if line[0] in "-> " and _SEPARATOR.fullmatch(line[:_MAX_LINE]):
        return 0
    if not (":" in line or "：" in line):
        return None
    if line.rstrip().endswith((":", "：")):
        following = next((text for text in lines[index + 1 : index + 4] if text.strip()), "")
        if following.startswith(">") or not _SAYS.search(line[-_MAX_LINE:].rstrip()):
            return None
        return _announcement([*kept[-2:], line])
    if _FROM_LINE.match(line[:_MAX_LINE]):
        near = [text[:_MAX_LINE] for text in lines[index + 1 : index + 6]]
        labels = sum(1 for text in near if _OTHER_LINE.match(text))
        dated = _DATED.search("\n".join([line[:_MAX_LINE], *near]))
        return 0 if labels >= 2 and dated else None
    return None


def _announcement(last: list[str]) -> int | None:
    """Return how many lines before the last one ``On …, somebody wrote:`` takes; None: it is not."""
    for count in range(len(last)):
        joined = " ".join(last[-1 - count :])
        if len(joined) < 2 * _MAX_LINE and _OPENER.match(joined) and _DATED.search(joined):
            return count
    return None


def _drop_announcement(kept: list[str]) -> None:
    """Take ``On …, somebody wrote:`` off the end, also when it was wrapped into up to three lines."""
    while kept and not kept[-1].strip():
        kept.pop()
    if not kept or not kept[-1].rstrip().endswith((":", "：")):
        return
    count = _announcement(kept[-3:])
    if count is not None:
        del kept[-1 - count :]
    elif _SAYS.search(kept[-1][-_MAX_LINE:].rstrip()):
        kept.pop()


def _cut_by_library(lines: list[str], languages: tuple[str, ...]) -> list[str]:
    """Cut where mail-parser-reply sees the header of a quote."""
    if not any(line.rstrip().endswith((":", "：")) for line in lines[:MAX_SEARCHED]):
        return lines
    searched, size = [], 0
    for line in lines:
        if size > MAX_SEARCHED:
            break
        searched.append(_RUNS.sub(r"\1", line.strip())[:_MAX_LINE])
        size += len(searched[-1]) + 1
    text = "\n".join(searched)
    if "\n\n\n\n" in text:  # floods of blank lines cost its expressions seconds
        return lines
    match = _library(languages).search(text)
    if match is None or not _DATED.search(match[0]):
        return lines
    before = text[: match.start()].count("\n")
    return lines[: before + (1 if match[0].startswith("\n") else 0)]


@lru_cache(maxsize=64)
def _library(languages: tuple[str, ...]) -> re.Pattern[str]:
    known = [language.lower().partition("-")[0] for language in languages]
    pattern: re.Pattern[str] = EmailMessage(text="", languages=known).HEADER_REGEX
    return pattern


def _without_signature(lines: list[str]) -> list[str]:
    end = len(lines)
    for index in range(end - 1, max(end - _MAX_SIGNATURE_LINES - 2, 0), -1):
        if lines[index].rstrip(" \xa0") == "--":
            lines = lines[:index]
            break
    end = len(lines)
    while end:
        last = lines[end - 1].strip()
        if last and not _SENT_FROM.fullmatch(last):
            break
        end -= 1
    return lines[:end]
