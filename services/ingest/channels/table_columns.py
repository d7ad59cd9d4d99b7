"""Which column of a table holds what: said by hand, else guessed by the usual names of headers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from services.ingest.channels.rejection import Refusal, Rejected

ATTRIBUTE = "attributes."
_NOT_NAME = re.compile(r"[\W_]+")
_SHOWN_COLUMNS = 20

# Lower case, without spaces and punctuation; the first name that is there wins.
_NAMES = {
    "id": "id reviewid commentid feedbackid responseid ticketid uuid",
    "text": "text reviewtext reviewbody review comment comments feedback message body content"
    " verbatim description bewertungstext rezension kommentar nachricht freitext commentaire avis"
    " texte comentario comentarios texto reseña opinión mensaje commento testo recensione messaggio"
    " comentário comentários mensagem opmerking opmerkingen reactie tekst komentarz opinia treść"
    " yorum recension комментарий отзыв текст コメント レビュー 本文 内容 クチコミ 口コミ"
    " 评论 評論 评价内容 댓글 리뷰 내용",
    "title": "reviewtitle title headline subject summary titel überschrift betreff titre objet"
    " título titulo asunto titolo oggetto assunto onderwerp tytuł rubrik заголовок タイトル 件名"
    " 标题 標題 제목",
    "author": "email emailaddress mail customeremail useremail customerid userid accountid"
    " username userhandle handle nickname kundennummer kundenid correoelectrónico correo courriel"
    " adressemail メールアドレス 邮箱",
    "name": "reviewername reviewer authorname author displayname customername fullname name"
    " rezensent kundenname auteur nom autor nombre autore nome naam imię imięinazwisko имя автор"
    " 名前 氏名 姓名 昵称 이름",
    "rating": "starrating overallrating reviewrating rating stars score nps sterne bewertung note"
    " étoiles estrellas puntuación calificación valoración stelle valutazione voto estrelas nota"
    " avaliação classificação sterren beoordeling gwiazdki ocena betyg оценка рейтинг 評価 星"
    " 评分 星级 평점 puan",
    "date": "reviewsubmitmillissinceepoch reviewsubmitdateandtime reviewdate createdat created"
    " createdon createddate creationdate submittedat submitdate publishedat date datetime timestamp"
    " time datum erstelltam zeitpunkt fecha data dataora дата 日付 日時 投稿日 日期 时间 날짜 tarih",
    "language": "language lang locale sprache langue idioma lingua taal język язык 言語 语言",
    "url": "reviewlink reviewurl permalink url link",
    "thread": "threadid thread conversationid conversation",
    "country": "countrycode country land pays país paese kraj страна 国 国家",
    "version": "appversionname appversion version",
    "location": "locationid location storeid store branch standort filiale",
    "order": "orderid ordernumber orderref referenceid bestellnummer",
}  # fmt: skip
FIELDS = tuple(_NAMES)


def columns(assignments: Iterable[str]) -> dict[str, str]:
    """Return ``field=Column`` assignments as a mapping, e.g. ``text=Comment``.

    Fields are ``FIELDS`` and ``attributes.<name>``; an empty column switches the guess off.

    Raises:
        ValueError: one is no assignment, or its field does not exist.
    """
    mapping: dict[str, str] = {}
    for assignment in assignments:
        field, equals, column = (part.strip() for part in assignment.partition("="))
        if not equals:
            raise ValueError(f"{assignment!r} is not FIELD=COLUMN")
        if field not in _NAMES and not (field.startswith(ATTRIBUTE) and field != ATTRIBUTE):
            raise ValueError(f"no field {field!r}; there are {', '.join(FIELDS)}, {ATTRIBUTE}NAME")
        mapping[field] = column
    return mapping


def located(header: Sequence[str], mapping: Mapping[str, str]) -> dict[str, int]:
    """Return where each field is in a row.

    Raises:
        Rejected: a column of ``mapping`` is missing, or nothing holds a text or a rating.
    """
    exact: dict[str, int] = {}
    folded: dict[str, int] = {}
    for index, name in enumerate(header):
        exact.setdefault(name.strip(), index)
        folded.setdefault(_folded(name), index)
    places: dict[str, int] = {}
    for field, column in mapping.items():
        if column:
            index = exact.get(column.strip(), folded.get(_folded(column), -1))
            if index < 0:
                raise Rejected(Refusal.MISSING_FIELD, f"no column {column!r}; {_shown(header)}")
            places[field] = index
    taken = set(places.values())
    for field, names in _NAMES.items():
        if field not in mapping:
            index = next((folded[name] for name in names.split() if name in folded), -1)
            if index >= 0 and index not in taken:
                places[field] = index
    if "text" not in places and "rating" not in places:
        raise Rejected(
            Refusal.MISSING_FIELD,
            f"no column for text or rating (text=COLUMN says); {_shown(header)}",
        )
    return places


def _folded(name: str) -> str:
    return _NOT_NAME.sub("", name.casefold())


def _shown(header: Sequence[str]) -> str:
    return f"columns: {', '.join(name[:30] for name in header[:_SHOWN_COLUMNS])}"
