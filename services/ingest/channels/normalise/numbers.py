"""Runs of digits in a text: national numbers, telephone numbers, or neither of them.

A run is digits in groups with spaces, dots, dashes, slashes or brackets between them. From the left,
the longest stretch of whole groups that is somebody's number is taken out; dates, prices, ranges of
years, versions, order and tracking numbers stay. Telephone numbers are judged by the numbering plan
(phonenumbers); a national one needs the region of the source or a word such as "tel" before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property

import phonenumbers
import re2
from phonenumbers import NumberParseException

from services.ingest.channels.normalise import national
from services.ingest.channels.normalise.scan import DATE, Found, Kind, Scan, before

_SEPARATOR = r"[ \u00a0\u2000-\u200a\u202f().\-‐‑–/·－ー．]{0,3}"
_RUN = re.compile(rf"\d(?:{_SEPARATOR}\d){{6,}}")
_SHORT_RUN = re.compile(rf"\d(?:{_SEPARATOR}\d){{4,}}")
_SHORT_PLANS = frozenset({
    "AC", "AD", "CK", "FK", "FO", "GL", "KI", "NC", "NF", "SB", "SH", "SR", "TO", "TV", "VU", "WF", "WS",
})  # fmt: skip
"""Regions where telephone numbers have five or six digits; four digits are anything."""

_OPEN_PLANS = frozenset({"AT", "DE"})
"""Regions where nearly all digits are a valid number; what is dialled begins with 0."""

_GROUP = re.compile(r"\d+")
_LINKS = frozenset(".-‐‑·")
_MAX_GROUPS = 14  # of one number: "0 1 7 1 …"
_MIN_DIGITS, _MAX_DIGITS, _MAX_PHONE = 5, 18, 17
_NOT_DIGIT = re.compile(r"\D+")
_MAX_GROUPS_LOOKED_AT = 1_000  # in one text

_DATE = re.compile(
    r"(?:(?:19|20)\d\d([-./])\d{1,2}\1\d{1,2}|\d{1,2}([-./])\d{1,2}\2(?:19|20)?\d\d)(?!\d|[-./]\d)"
)
_YEARS = re.compile(r"(?:19|20)\d\d ?[-–/] ?(?:19|20)\d\d(?!\d|[-./]\d)")
_GROUPED = re.compile(r"[1-9]\d{0,2}(?:([ .\u00a0\u202f\u2009'])\d{3})(?:\1\d{3})*")
_DECIMAL = re.compile(r"\d+\.\d+")
_BRACKETED = re.compile(r"\(0?\d{1,4}\)[ .-]?\d{2,4}(?:[ .-]?\d{2,4}){1,3}")
_CURRENCY = tuple("€$£¥₽₹₺₴₩₪฿₫₦₱")
_MONEY_AFTER = re.compile(
    r"[.,]\d|[ \u00a0\u202f]?(?:[%€$£¥₽₹₺₴₩₪฿₫円元원]"
    r"|(?:eur|euros?|usd|gbp|chf|sek|nok|dkk|kr|zł|pln|czk|kč"
    r"|руб|р\.|грн|tl|try|inr|rs|brl|reais|dollars?|dólares|pesos?|won|yen|kg|km|mb|gb|kwh|ms|دولار|ريال)\b)",
    re.IGNORECASE,
)
_MONEY_BEFORE = re.compile(r"(?:eur|usd|gbp|chf|rs\.?|inr|sek|nok|dkk|r\$|pln|try|jpy|cny|rmb)\s?$")
_NOT_PHONE = re2.compile(
    r"(?:order|bestell|auftrag|rechnung|invoice|ticket|track|sendung|shipment|parcel|paket|ref|case\b"
    r"|serial|serien|\bsn\b|s/n|imei|isbn|ean\b|gtin|upc|sku|article|artikel|item|vorgang|kunden"
    r"|customer|account|konto|contract|vertrag|policy|police|booking|buchung|reserv|transact|id\b"
    r"|commande|facture|suivi|colis|client|contrat|dossier|pedido|factura|seguimiento|envío|cliente"
    r"|ordine|fattura|spedizione|tracciamento|pratica|encomenda|fatura|rastre|protocolo|nota fiscal"
    r"|bestelling|factuur|zending|klant|zamówie|faktur|przesył|paczk|numer klienta|заказ|накладн"
    r"|трек|счет|счёт|договор|отправлен|заявк|sipariş|kargo|takip|müşteri|طلب|شحنة|تتبع|فاتورة"
    r"|订单|訂單|单号|運單|运单|編號|编号|注文|伝票|追跡|お問い合わせ番号|주문|송장|운송장|ऑर्डर|beställ|ordre|spårning"
    r"|model|modell|version|build|barcode|код|code|codice|código|no\.|nr\.?|n°|nº|№|#)[^.;!?\n]{0,16}$"
)
_PHONE_NEAR = re2.compile(
    r"(?:\b(?:tel|cell|call|ring|ruf|fax|sms|cep|reach|bel\b|gsm|portable)|phone|telef|téléph|tél\b"
    r"|mobil|handy|whats ?app|telegram|viber|signal|text me|anruf|appel|joindre|ll[aá]m|móvil|celular"
    r"|chiam|cellul|ligar|ligue|bellen|bereik|komórk|dzwo|звон|(?:^|[^а-яё])(?:тел|моб)|набер|вотсап"
    r"|ватсап|ara(?:yın|yin)\b"
    r"|هاتف|جوال|موبايل|اتصل|واتس|تليفون|电话|電話|手机|手機|微信|携帯|전화|휴대|연락"
    r"|फोन|फ़ोन|मोबाइल|कॉल|nå mig"
    r"|טלפון|נייד|điện thoại|sđt|โทร|τηλ|κινητ)\.?[^.;!?\n]{0,24}$"
)
_PHONE_WORD = re2.compile(
    r"(?:tel(?:e(?:phone|fono|fon|foon))?|phone|t(?:é|e)l(?:(?:é|e)phone|(?:é|e)fono)?"
    r"|mobile?|móvil|mobil|handy"
    r"|cell(?:ulare)?|celular|telem(?:ó|o)vel|whats ?app|fax|тел(?:ефон)?|моб(?:ильный)?|telefonu?|cep"
    r"|gsm|sms|هاتف|جوال|موبايل|رقم الهاتف|电话|電話|手机|手機|携帯|電話番号"
    r"|전화|전화번호|휴대폰|फोन|फ़ोन|मोबाइल|telefonnummer"
    r"|call(?: me)?(?: back)?(?: on| at)?|sđt|โทร|τηλ|נייד|טלפון)"
    r"(?:[ -]?(?:number|no|nr|nummer|numer|numara\w*|номер))?\.?"
    r"(?: (?:is|ist|est|es|è|é|jest|are))?[ :=.]{0,4}\+?\(?$"
)
_PHONE_LINKS = ("wa.me/", "phone=", "tel=", "tel/", "callto:")
_NORTH_AMERICA = frozenset({"US", "CA", "PR", "DO", "JM", "TT", "BS", "BB"})


class _Place:
    """What stands in front of a number, judged once for all its possible ends."""

    def __init__(self, text: str, start: int, since: int) -> None:
        self.context = before(text, start, since)

    @cached_property
    def near(self) -> bool:
        """Some words before there is talk of telephoning."""
        return _PHONE_NEAR.search(self.context) is not None

    @cached_property
    def announced(self) -> bool:
        """Directly before stands "phone:"."""
        return self.near and _PHONE_WORD.search(self.context) is not None

    @cached_property
    def other(self) -> bool:
        """It is said to be the number of something else, an order for example."""
        return not self.near and _NOT_PHONE.search(self.context) is not None


def redact_numbers(text: str, scan: Scan) -> str:
    """Return ``text`` without the numbers of persons and of telephones."""
    return scan.replace(text, _numbers(text, scan))


def _numbers(text: str, scan: Scan) -> Iterator[Found]:
    since = 0
    left = _MAX_GROUPS_LOOKED_AT
    pattern = _SHORT_RUN if scan.region in _SHORT_PLANS else _RUN
    for run in pattern.finditer(text):
        groups = _free_groups(text, *run.span())
        at = 0
        while at < len(groups):
            if left <= 0:  # a flood of numbers: nobody reads it, so take out what may be one
                if sum(end - start for start, end in groups[at : at + 7]) >= 7:
                    yield Found(groups[at][0], groups[-1][1], Kind.PHONE)
                break
            left -= 1
            some = groups[at : at + _MAX_GROUPS]
            start, last = some[0][0], some[-1][1]
            end = start
            if skipped := _DATE.match(text, start, last) or _YEARS.match(text, start, last):
                end = skipped.end()
            elif at == 0 or not _is_linked(text, since, groups[at - 1][1], start):
                found = _longest(text, some, since, scan)
                if found is not None:
                    yield found
                    since = end = found.end
            at += 1
            while at < len(groups) and groups[at][0] < end:
                at += 1


def _is_linked(text: str, since: int, end: int, start: int) -> bool:
    """Return whether a group only goes on with the one before it, as in "112-4839201"."""
    return end != since and start == end + 1 and text[end] in _LINKS


def _free_groups(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Return the groups of a run that do not belong to a longer name, as "AB-1234" or "1234X" do."""
    groups = [group.span() for group in _GROUP.finditer(text, start, end)]
    if _is_attached_before(text, start):
        at = 1
        while at < len(groups) and not _stands_alone(text, groups[at - 1][1], groups[at][0]):
            at += 1
        groups = groups[at:]
    following = text[end : end + 1]
    if groups and (following == "_" or (following.isascii() and following.isalpha())):
        at = len(groups) - 1
        while at and not _has_space(text, groups[at - 1][1], groups[at][0]):
            at -= 1
        groups = groups[:at]
    return groups


def _is_attached_before(text: str, start: int) -> bool:
    previous = text[start - 1 : start]
    if previous.isalpha() and previous.isascii():
        return True
    if previous == "-":
        return text[start - 2 : start - 1].isalnum()
    if previous == ".":
        return text[start - 2 : start - 1].isdigit()
    return previous in {"_", "=", "/", "#", "~"} and not text.endswith(_PHONE_LINKS, 0, start)


def _stands_alone(text: str, end: int, start: int) -> bool:
    """Behind "ref-12" only what begins as telephone numbers do is a number of its own."""
    return _has_space(text, end, start) and (text[start] in "0٠۰０" or text[start - 1] == "(")


def _has_space(text: str, end: int, start: int) -> bool:
    return any(map(str.isspace, text[end:start]))


def _longest(text: str, groups: list[tuple[int, int]], since: int, scan: Scan) -> Found | None:
    """Return the longest stretch from the first group that is a number of somebody."""
    start = groups[0][0]
    total = 0
    ends: list[tuple[int, int]] = []
    for first, last in groups:
        total += last - first
        if total > _MAX_DIGITS:
            break
        if total >= _MIN_DIGITS:
            ends.append((last, total))
    if not ends:
        return None
    place = _Place(text, start, since)
    for end, _ in reversed(ends):
        kind = _kind(text, start, end, place, scan)
        if kind is not None:
            if kind is Kind.PHONE:
                start = _prefix(text, start, end, since)
            return Found(start, end, kind)
    return None


def _prefix(text: str, start: int, end: int, since: int) -> int:
    """Return where a number begins with its plus and its bracket."""
    marks = "+＋(" if ")" in text[start:end] else "+＋"
    while start > since and text[start - 1] in marks:
        start -= 1
    return start


def _kind(text: str, start: int, end: int, place: _Place, scan: Scan) -> Kind | None:
    raw = text[start:end]
    digits = _NOT_DIGIT.sub("", raw)
    if not digits.isascii():
        digits = "".join(str(int(char)) for char in digits)
    if national.is_national_id(raw, digits, scan.region, place.context):
        return Kind.NATIONAL_ID
    if len(digits) <= _MAX_PHONE and _is_phone(text, start, end, digits, place, scan):
        return Kind.PHONE
    return None


def _is_phone(text: str, start: int, end: int, digits: str, place: _Place, scan: Scan) -> bool:
    begin = _prefix(text, start, end, 0)
    prefixed = any(sign in text[begin:start] for sign in "+＋")
    if prefixed or text.endswith(_PHONE_LINKS, 0, start):
        return len(digits) <= 15 and _in_plan("+" + digits, None, scan, possible=9 * prefixed)
    if digits.startswith("00") and len(digits) > 9 and _in_plan("+" + digits[2:], None, scan):
        return True
    if len(digits) > 15 or (digits.startswith("011") and scan.region in _NORTH_AMERICA):
        return digits.startswith("011") and _in_plan("+" + digits[3:], None, scan)
    return _is_national_phone(text, begin, end, len(digits), place, scan)


def _is_national_phone(
    text: str, begin: int, end: int, count: int, place: _Place, scan: Scan
) -> bool:
    raw = text[begin:end]
    if place.announced:
        return 7 <= count <= 13 or _in_plan(raw, scan.region, scan)
    if count < 7 or (count == len(raw) < 9 and not place.near):
        return False
    if scan.region in _OPEN_PLANS and not place.near and raw.lstrip("(")[0] != "0":
        return False
    if count > 13 or place.other or _is_quantity(raw, text, end, place):
        return False
    if scan.region is None:
        return (place.near and count >= 8) or _BRACKETED.fullmatch(raw) is not None
    return _in_plan(raw, scan.region, scan)


def _is_quantity(raw: str, text: str, end: int, place: _Place) -> bool:
    """Return whether ``raw``, which ends at ``end``, is a price, a large number, a decimal or dates."""
    if place.context.rstrip().endswith(_CURRENCY):
        return True
    if _MONEY_AFTER.match(text, end) or _MONEY_BEFORE.search(place.context):
        return True
    if place.near:
        return False
    if grouped := _GROUPED.fullmatch(raw):
        return len(raw) < 11 or grouped[1] != " "  # "612 345 678" is a number to call in Spain
    return _DECIMAL.fullmatch(raw) is not None or DATE.search(raw) is not None


def _in_plan(number: str, region: str | None, scan: Scan, possible: int = 0) -> bool:
    """Return whether the numbering plan has it; without checks left, what looks like it counts.

    ``possible``: with so many digits a possible length is enough, since plans grow.
    """
    if not scan.may_check():
        return True
    try:
        parsed = phonenumbers.parse(number, region)
    except NumberParseException:
        return False
    if phonenumbers.is_valid_number(parsed):
        return True
    return bool(possible) and len(number) > possible and phonenumbers.is_possible_number(parsed)
