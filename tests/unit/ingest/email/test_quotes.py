"""Quoted history and signatures."""

from __future__ import annotations

import pytest

from services.ingest.channels.email.quotes import own_words
from services.ingest.channels.email.subject import Kind, kind, looks_automatic

HISTORY = [
    "On Mon, Jan 5, 2026 at 10:00 AM Shop Team <h@s.example> wrote:\n> old\n> older",
    "On Mon, Jan 5, 2026 at 10:00 AM A Very Long Name\n<h@s.example> wrote:\n\n> old",
    "On Mon, Jan 5, 2026 at 10:00 AM Shop Team <h@s.example> wrote:\n\nold without marks",
    "Am 05.01.2026 um 10:00 schrieb Shop <h@s.example>:\n\n> alt",
    "Am 05.01.2026 um 10:00 schrieb Shop <h@s.example>:\n\nalt",
    "Le lun. 5 janv. 2026 à 10:00, Shop <h@s.example> a écrit :\n\nvieux",
    "El lun, 5 ene 2026 a las 10:00, Shop (<h@s.example>) escribió:\n> viejo",
    "El lun, 5 ene 2026 a las 10:00, Shop (<h@s.example>) escribió:\n\nviejo",
    "Em seg., 5 de jan. de 2026 às 10:00, Shop <h@s.example> escreveu:\n\nvelho",
    "Il giorno lun 5 gen 2026 alle ore 10:00 Shop <h@s.example> ha scritto:\n\nvecchio",
    "Op ma 5 jan 2026 om 10:00 schreef Shop <h@s.example>:\n\noud",
    "在 2026年1月5日，Shop <h@s.example> 写道：\n> 旧",
    "2026年1月5日(月) 10:00 Shop <h@s.example>:\n> 古い",
    "-----Original Message-----\nFrom: Shop\nSent: Monday\n\nold",
    "-----Ursprüngliche Nachricht-----\nVon: Shop\n\nalt",
    "____________________\nFrom: Shop <h@s.example>\nSent: Monday\nTo: Ana\nSubject: x\n\nold",
    "Von: Shop <h@s.example>\nGesendet: Montag, 5. Januar 2026 10:00\nAn: Ana\nBetreff: AW: x\n\nalt",
    "De : Shop <h@s.example>\nEnvoyé : lundi 5 janvier 2026 10:00\nÀ : Ana\nObjet : x\n\nvieux",
    "De: Shop <h@s.example>\nEnviado: lunes, 5 de enero de 2026 10:00\nPara: Ana\nAsunto: x\n\nviejo",
    "De: Shop <h@s.example>\nEnviada em: segunda-feira 10:00\nPara: Ana\nAssunto: x\n\nvelho",
    "*From:* Shop <h@s.example>\n*Sent:* Monday 2026\n*To:* Ana\n*Subject:* x\n\nold",
    "发件人: Shop <h@s.example>\n发送时间: 2026年1月5日 10:00\n收件人: Ana\n主题: x\n\n旧",
    "> old at the end",
]  # fmt: skip


@pytest.mark.parametrize("history", HISTORY)
def test_history_is_left_out_of_a_reply(history: str) -> None:
    text = "No, it is still broken.\nI want my money back."
    assert own_words(f"{text}\n\n{history}\n", ("de", "fr"), reply=True) == text


@pytest.mark.parametrize("history", HISTORY)
def test_where_nothing_would_remain_the_text_comes_back(history: str) -> None:
    assert own_words(history, ("de",), reply=True) == history


@pytest.mark.parametrize(
    "text",
    [
        "I travelled\nFrom: Berlin\nTo: Hamburg\nand it was late.",
        "On Monday 5 January 2026 I ordered the following:\na lamp\nIt broke.",
        "What I did:\n- cleaned it\n- switched it on\nBest regards\nAna",
        "Two reasons:\n\n-- first it smells --\n\nand it burns.",
        "Subject: broken\nIt is broken.",
        "It never arrived.\nSent from your store last week.",
        "It never arrived.\nSent via courier.",
        "Es kam nie an.\nGesendet mit der Post am 3. Mai.",
        "Non è mai arrivato.\nInviato da voi il 3 marzo.",
        "Please see:\n\n---------- Forwarded message ---------\nFrom: x <a@b.example>\n> old",
    ],
)
def test_a_customers_own_lines_stay(text: str) -> None:
    assert own_words(text, ("de", "fr", "es"), reply=True) == text


def test_answers_between_the_quotes_stay() -> None:
    text = (
        "On Mon, Jan 5, 2026 Shop <h@s.example> wrote:\n> Is it broken?\n\nYes.\n\n"
        "> Since when?\n\nSince Monday."
    )
    assert own_words(text, reply=True) == "Yes.\n\nSince Monday."


def test_marks_are_no_history_in_a_first_mail() -> None:
    text = "Your page says\n> refund in 3 days\nbut it took 30."
    assert own_words(text, reply=False) == text


@pytest.mark.parametrize(
    "signature",
    [
        "-- \nAna Prowse\n+00 000 0000",
        "--\nAna",
        "Sent from my iPhone",
        "Sent from Outlook for Android",
        "Get Outlook for iOS",
        "Von meinem iPhone gesendet",
        "Envoyé de mon iPhone",
        "Enviado desde mi iPhone",
        "Enviado do meu iPhone",
        "Inviato da iPhone",
        "Inviato dal mio iPhone",
        "Verzonden vanaf mijn iPhone",
        "iPhoneから送信",
        "发自我的iPhone",
    ],
)
def test_signatures_are_left_out(signature: str) -> None:
    assert own_words(f"It is broken.\n\n{signature}\n", reply=False) == "It is broken."


def test_a_signature_alone_is_the_text() -> None:
    assert own_words("Sent from my iPhone", reply=True) == "Sent from my iPhone"


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("Lamp", Kind.FIRST),
        ("Re: Lamp", Kind.REPLY),
        ("AW: Lampe", Kind.REPLY),
        ("[shop] RE[2]: Lamp", Kind.REPLY),
        ("回复：灯", Kind.REPLY),
        ("Fwd: Lamp", Kind.FORWARD),
        ("WG: Lampe", Kind.FORWARD),
        ("Re: Fwd: Lamp", Kind.REPLY),
        ("Reply wanted: now", Kind.FIRST),
        ("Return: lamp", Kind.FIRST),
    ],
)
def test_prefixes(subject: str, expected: Kind) -> None:
    assert kind(subject) is expected


def test_automatic_subjects_are_recognised_at_the_begin_only() -> None:
    assert looks_automatic("Out of Office: Lamp")
    assert looks_automatic("Réponse automatique : Lampe")
    assert not looks_automatic("I hate every automatic reply")
