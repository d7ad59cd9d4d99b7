"""Runs of digits in a text: payment cards, national numbers, telephone numbers, or none of them.

A run is digits in groups with spaces, dots, dashes, slashes or brackets between them. From the left,
the longest stretch of whole groups that is somebody's number is taken out; dates, prices, ranges of
years, versions, order and tracking numbers stay. Telephone numbers are judged by the numbering plan
(phonenumbers); a national one needs the region of the source or a word such as "tel" before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import phonenumbers
import re2
from phonenumbers import NumberParseException

from services.ingest.channels.normalise import national
from services.ingest.channels.normalise.scan import Found, Kind, Scan, before

_RUN = re.compile(r"\d(?:[ \u00a0\u2000-\u200a\u202f().\-‐‑–/·]{0,3}\d){6,}")
_GROUP = re.compile(r"\d+")
_MAX_GROUPS = 14  # of one number: "0 1 7 1 …"
_MAX_DIGITS = 19
_MAX_STRETCHES = 1_000  # looked at in one text, of all runs

_DATE = re.compile(
    r"(?:(?:19|20)\d\d([-./])\d{1,2}\1\d{1,2}|\d{1,2}([-./])\d{1,2}\2(?:19|20)?\d\d)(?!\d|[-./]\d)"
)
_YEARS = re.compile(r"(?:19|20)\d\d ?[-–/] ?(?:19|20)\d\d(?!\d|[-./]\d)")
_GROUPED = re.compile(r"[1-9]\d{0,2}(?:([ .\u00a0\u202f\u2009'])\d{3})(?:\1\d{3})*")
_DECIMAL = re.compile(r"\d+\.\d+")
_BRACKETED = re.compile(r"\(0?\d{1,4}\)[ .-]?\d{2,4}(?:[ .-]?\d{2,4}){1,3}")
_CURRENCY = tuple("€$£¥₽₹₺₴₩₪฿₫₦₱")
_MONEY_AFTER = re.compile(
    r"[.,]\d|[ \u00a0\u202f]?(?:[%€$£¥₽₹₺₴₩₪฿₫円元원]|(?:eur|euros?|usd|gbp|chf|sek|nok|dkk|kr|zł|pln|czk|kč"
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
    r"(?:tel|phone|call|mobil|handy|cell|whats ?app|telegram|viber|signal|sms|text me|fax|ruf|anruf"
    r"|reach|portable|appel|joindre|llam|móvil|celular|chiam|cellul|ligar|ligue|telem|bel\b|bellen"
    r"|bereik|nummer|zadzwo|kom(?:órka|\.)|dzwo|звон|тел|моб|набер|вотсап|ватсап|ara(?:yın|yin)\b|cep"
    r"|هاتف|جوال|موبايل|اتصل|واتس|تليفون|电话|電話|手机|手機|微信|携帯|전화|휴대|연락|फोन|फ़ोन|मोबाइल|कॉल|ring|nå mig"
    r"|טלפון|נייד|điện thoại|sđt|โทร|τηλ|κινητ)[^.;!?\n]{0,24}$"
)
_PHONE_WORD = re2.compile(
    r"(?:tel(?:e(?:phone|fono|fon|foon))?|phone|t(?:é|e)l(?:(?:é|e)phone|(?:é|e)fono)?|mobile?|móvil|mobil|handy"
    r"|cell(?:ulare)?|celular|telem(?:ó|o)vel|whats ?app|fax|тел(?:ефон)?|моб(?:ильный)?|telefonu?|cep"
    r"|gsm|sms|هاتف|جوال|موبايل|رقم الهاتف|电话|電話|手机|手機|携帯|電話番号|전화|전화번호|휴대폰|फोन|फ़ोन|मोबाइल|telefonnummer"
    r"|call(?: me)?(?: back)?(?: on| at)?|sđt|โทร|τηλ|נייד|טלפון)"
    r"(?:[ -]?(?:number|no|nr|nummer|numer|numara\w*|номер))?\.?(?: (?:is|ist|est|es|è|é|jest|are))?[ :=.]{0,4}\+?\(?$"
)
_NORTH_AMERICA = frozenset({"US", "CA", "PR", "DO", "JM", "TT", "BS", "BB"})


def redact_numbers(text: str, scan: Scan) -> str:
    """Return ``text`` without the numbers of cards, of persons and of telephones."""
    return scan.replace(text, _numbers(text, scan))


def _numbers(text: str, scan: Scan) -> Iterator[Found]:
    since = 0
    left = _MAX_STRETCHES
    for run in _RUN.finditer(text):
        start, end = run.span()
        if _is_part_of_a_word(text, start, end):
            continue
        if left <= 0:  # a flood of numbers: nobody reads it, so take out what may be one
            yield Found(start, end, Kind.PHONE)
            continue
        groups = [match.span() for match in _GROUP.finditer(text, start, end)]
        left -= len(groups)
        at = 0
        while at < len(groups):
            first, last = groups[at][0], groups[min(len(groups), at + _MAX_GROUPS) - 1][1]
            if skipped := _DATE.match(text, first, last) or _YEARS.match(text, first, last):
                while at < len(groups) and groups[at][0] < skipped.end():
                    at += 1
                continue
            found = _longest(text, groups[at : at + _MAX_GROUPS], since, scan)
            if found is None:
                at += 1
                continue
            yield found
            since = found.end
            while at < len(groups) and groups[at][0] < found.end:
                at += 1


def _is_part_of_a_word(text: str, start: int, end: int) -> bool:
    """Return whether the run belongs to a longer name: "AB-1234567", "1234567X", a web address."""
    previous = text[start - 1 : start]
    if previous.isalpha() and previous.isascii():
        return True
    following = text[end : end + 1]
    if following == "_" or (following.isascii() and following.isalpha()):
        return True
    if previous in {"_", "-", "=", "/", "#", "~"} or (previous == "." and start > 1):
        return not _is_link_to_phone(text, start) and (
            previous != "-" or text[start - 2 : start - 1].isalnum()
        )
    return False


def _is_link_to_phone(text: str, start: int) -> bool:
    return text[max(0, start - 16) : start].endswith(("wa.me/", "phone=", "tel=", "tel/", "Tel.", "tel.", "Tél.", "тел.", "Тел."))  # fmt: skip


def _longest(
    text: str, groups: list[tuple[int, int]], since: int, scan: Scan
) -> Found | None:
    """Return the longest stretch from the first group that is a number of somebody."""
    start = groups[0][0]
    context: str | None = None
    total = 0
    ends: list[tuple[int, int]] = []
    for first, last in groups:
        total += last - first
        if total > _MAX_DIGITS:
            break
        if total >= 7:
            ends.append((last, total))
    for end, count in reversed(ends):
        if context is None:
            context = before(text, start, since)
        raw = text[start:end]
        digits = "".join(str(int(char)) for char in raw if char.isdecimal())
        kind = _kind(text, start, end, digits, context, scan)
        if kind is not None:
            if kind is Kind.PHONE:
                start = _prefix(text, start, since)
            return Found(start, end, kind)
    return None


def _prefix(text: str, start: int, since: int) -> int:
    """Return where a number begins with its plus and its bracket."""
    while start > since and text[start - 1] in "+＋(":
        start -= 1
    return start


def _kind(
    text: str, start: int, end: int, digits: str, context: str, scan: Scan
) -> Kind | None:
    if 12 <= len(digits) <= 19 and _is_card(digits):
        return Kind.CARD
    raw = text[start:end]
    if len(digits) <= national.MAX_DIGITS and national.is_national_id(
        raw, digits, scan.region, context
    ):
        return Kind.NATIONAL_ID
    if len(digits) <= 17 and _is_phone(text, start, end, digits, context, scan):
        return Kind.PHONE
    return None


def _is_card(digits: str) -> bool:
    """Length and first digits of the networks (ISO/IEC 7812), then the check digit (Luhn)."""
    count, four = len(digits), int(digits[:4])
    known = (
        (digits[0] == "4" and count in {13, 16, 19})
        or (count == 16 and (5100 <= four <= 5599 or 2200 <= four <= 2720))
        or (count == 15 and digits[:2] in {"34", "37"})
        or (count == 14 and (digits[:2] in {"36", "38"} or 3000 <= four <= 3059))
        or (count in {16, 17, 18, 19} and (digits[:2] in {"62", "65", "81", "82"} or 3528 <= four <= 3589))
        or (count == 16 and (four == 6011 or 6440 <= four <= 6499 or digits[:2] in {"60", "50"}))
        or (count in {16, 18, 19} and digits[:2] in {"56", "57", "58", "63", "67"})
    )  # fmt: skip
    return known and _luhn(digits)


def _luhn(digits: str) -> bool:
    odd = sum(map(int, digits[-1::-2]))
    return (odd + sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])) % 10 == 0


def _is_phone(
    text: str, start: int, end: int, digits: str, context: str, scan: Scan
) -> bool:
    begin = _prefix(text, start, 0)
    international = any(sign in text[begin:start] for sign in "+＋")
    raw = text[begin:end]
    if international:
        return len(digits) <= 15 and _in_plan(("+" + digits), None, scan, possible=9)
    if digits.startswith("00") and len(digits) > 9 and _in_plan("+" + digits[2:], None, scan):
        return True
    if len(digits) > 15 or (digits.startswith("011") and scan.region in _NORTH_AMERICA):
        return digits.startswith("011") and _in_plan("+" + digits[3:], None, scan)
    near = _PHONE_NEAR.search(context) is not None
    if not near and len(digits) == len(raw) < 9:
        return False
    if near and _PHONE_WORD.search(context):
        return len(digits) <= 13 or _in_plan(raw, scan.region, scan)
    if len(digits) > 13 or _is_quantity(text, start, end, near, context):
        return False
    if not near and _NOT_PHONE.search(context):
        return False
    if scan.region is None:
        return (near and len(digits) >= 8) or _BRACKETED.fullmatch(raw) is not None
    return _in_plan(raw, scan.region, scan)


def _is_quantity(text: str, start: int, end: int, near: bool, context: str) -> bool:
    """Return whether the digits are a price, a large number or a decimal."""
    raw = text[start:end]
    if context.rstrip().endswith(_CURRENCY):
        return True
    if _MONEY_AFTER.match(text, end) or _MONEY_BEFORE.search(context):
        return True
    if near:
        return False
    return _GROUPED.fullmatch(raw) is not None or _DECIMAL.fullmatch(raw) is not None


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
