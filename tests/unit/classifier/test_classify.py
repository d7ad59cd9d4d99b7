"""The classifier on whole texts: the criteria of the codebook and the item's facts."""

from __future__ import annotations

import pytest
from msgspec import structs

from services.classifier.severity import Classifier
from shared.events import (
    Call,
    CallOutcome,
    Channel,
    Flag,
    Kind,
    Operation,
    Reason,
    Role,
    Severity,
    Transcript,
    Turn,
)
from tests.unit.classifier.factory import feedback

CRITERIA = [
    ("My toaster caught fire and my hand is burnt.", Severity.CRITICAL, Reason.SAFETY),
    ("Nobody was hurt, but flames came out of the charger.", Severity.CRITICAL, Reason.SAFETY),
    ("I don't want to be alive any more.", Severity.CRITICAL, Reason.VULNERABLE),
    ("My card was stolen, what do I do?", Severity.CRITICAL, Reason.FRAUD_SECURITY),
    ("I have filed a complaint with the ombudsman.", Severity.CRITICAL, Reason.LEGAL),
    ("Why was I charged twice for one ride?", Severity.HIGH, Reason.FINANCIAL_LOSS),
    ("We have had no water since Monday.", Severity.HIGH, Reason.OUTAGE),
    ("This is my fourth email and nobody replied.", Severity.HIGH, Reason.REPEAT_CONTACT),
    ("We are taking our business elsewhere.", Severity.HIGH, Reason.CHURN),
    ("Fix it today or I am going to the press and to the local TV.", Severity.HIGH, Reason.VIRAL),
    ("Your driver shouted a racist slur at me.", Severity.HIGH, Reason.MISCONDUCT),
    ("My husband passed away and you still send him letters.", Severity.HIGH, Reason.VULNERABILITY),
    ("The zip is broken.", Severity.MEDIUM, Reason.QUALITY),
    ("The parcel came a day later than promised, a bit annoying.", Severity.MEDIUM, Reason.DELAY),
    ("The receptionist was rude to my mother.", Severity.MEDIUM, Reason.SERVICE),
    ("Far too expensive for what it is.", Severity.MEDIUM, Reason.PRICE),
    ("The form won't let me submit my postcode.", Severity.MEDIUM, Reason.ACCESS),
    ("The menus in your app are confusing.", Severity.MEDIUM, Reason.USABILITY),
    ("Thank you, lovely staff!", Severity.LOW, Reason.PRAISE),
    ("Do you take dogs over 20 kg?", Severity.LOW, Reason.QUESTION),
    ("It would be nice if you could add a sleep timer.", Severity.LOW, Reason.SUGGESTION),
]

LANGUAGES = [
    ("Le chargeur a pris feu cette nuit.", Severity.CRITICAL),
    ("Hay tres cargos que no reconozco en mi cuenta.", Severity.CRITICAL),
    ("Die Bremsen haben auf der Landstraße versagt.", Severity.CRITICAL),
    ("Meu filho foi parar no hospital por causa do iogurte de vocês.", Severity.CRITICAL),
    ("Mi avete addebitato due volte la stessa fattura.", Severity.HIGH),
    ("We zitten al drie dagen zonder stroom en niemand reageert.", Severity.HIGH),
    ("Piszę do was po raz czwarty i nikt nie odpowiada.", Severity.HIGH),
    ("Kart bilgilerim çalındı, hesabım boşaltıldı, ben yapmadım.", Severity.CRITICAL),
    ("返金がまだされていません。", Severity.HIGH),
    ("انقطعت الكهرباء عن بيتنا منذ يومين", Severity.HIGH),
]

BENIGN = [
    "Fire sale this weekend at the warehouse, reply STOP to leave this list.",
    "What happens if my card is stolen abroad?",
    "I'm out of the office; in case of fire or injury call 555-0100.",
    "The refund that I waited for has arrived now, all sorted, thank you.",
    "That curry was to die for, best dinner we ever had, thank you all!",
]


@pytest.mark.parametrize(("text", "severity", "reason"), CRITERIA)
def test_criteria(classifier: Classifier, text: str, severity: Severity, reason: Reason) -> None:
    found = classifier.classify(feedback(text))
    assert (found.severity, reason in found.reasons) == (severity, True)


@pytest.mark.parametrize(("text", "severity"), LANGUAGES)
def test_other_languages(classifier: Classifier, text: str, severity: Severity) -> None:
    assert classifier.classify(feedback(text)).severity is severity


@pytest.mark.parametrize("text", BENIGN)
def test_benign(classifier: Classifier, text: str) -> None:
    assert classifier.classify(feedback(text)).severity is Severity.LOW


@pytest.mark.parametrize("text", ["?!", "...", "\ud800", "😀" * 40])
def test_no_content_is_low_other(classifier: Classifier, text: str) -> None:
    found = classifier.classify(feedback(text))
    assert (found.severity, found.kind) == (Severity.LOW, Kind.OTHER)


TALKED = "The blue one came and the label said otter on the front of it."


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("", None),
        (" \n\u00a0", None),
        ("", Call(call_id="c1", outcome=CallOutcome.MISSED)),
        ("", Call(call_id="c1", outcome=CallOutcome.ABANDONED)),
        ("", Call(call_id="c1", outcome=CallOutcome.VOICEMAIL, transcript=Transcript.FAILED)),
        ("", Call(call_id="c1", outcome=CallOutcome.ANSWERED, transcript=Transcript.PENDING)),
        ("Hello?", Call(call_id="c1", transcript=Transcript.FAILED)),
        (TALKED, Call(call_id="c1", transcript=Transcript.PENDING)),
    ],
)
def test_what_nobody_can_read_yet_is_undetermined(
    classifier: Classifier, text: str, call: Call | None
) -> None:
    item = structs.replace(feedback(text, channel=Channel.PHONE), call=call)
    found = classifier.classify(item)
    assert (found.severity, found.kind) == (Severity.UNDETERMINED, Kind.OTHER)
    assert (found.confidence, found.reasons, found.evidence) == (0.0, (), ())


def test_a_call_that_was_answered_and_not_written_down_alarms_nobody(
    classifier: Classifier,
) -> None:
    item = structs.replace(
        feedback("", channel=Channel.PHONE),
        call=Call(call_id="c1", outcome=CallOutcome.ANSWERED),
    )
    assert classifier.classify(item).severity is Severity.LOW


@pytest.mark.parametrize("transcript", list(Transcript))
def test_what_can_be_read_of_a_call_counts_whatever_its_transcript(
    classifier: Classifier, transcript: Transcript
) -> None:
    call = Call(call_id="c1", transcript=transcript)
    item = feedback("The charger caught fire", channel=Channel.PHONE)
    found = classifier.classify(structs.replace(item, call=call))
    assert (found.severity, found.reasons) == (Severity.CRITICAL, (Reason.SAFETY,))


@pytest.mark.parametrize(
    ("stars", "severity", "kind"),
    [
        (1, Severity.MEDIUM, Kind.COMPLAINT),
        (3, Severity.LOW, Kind.OTHER),
        (5, Severity.LOW, Kind.PRAISE),
    ],
)
def test_a_rating_alone(
    classifier: Classifier, stars: float, severity: Severity, kind: Kind
) -> None:
    found = classifier.classify(feedback("", channel=Channel.REVIEWS, stars=stars))
    assert (found.severity, found.kind) == (severity, kind)


@pytest.mark.parametrize("text", ["", "The charger caught fire"])
def test_a_deletion_says_nothing(classifier: Classifier, text: str) -> None:
    call = Call(call_id="c1", outcome=CallOutcome.MISSED)
    item = structs.replace(feedback(text, stars=1), op=Operation.DELETE, call=call)
    found = classifier.classify(item)
    assert (found.severity, found.kind, found.evidence) == (Severity.LOW, Kind.OTHER, ())


def test_only_the_text_is_classified(classifier: Classifier) -> None:
    """The other side's words, the title and what the platform says are no words of the customer."""
    item = structs.replace(
        feedback("Do you take dogs over 20 kg?"),
        title="My house is on fire",
        turns=(Turn(speaker=Role.AGENT, text="Did anybody get injured in the fire?"),),
        flags=(Flag.SPAM,),
        attributes={"note": "ombudsman"},
    )
    found = classifier.classify(item)
    assert (found.severity, found.kind) == (Severity.LOW, Kind.QUESTION)


def test_spam_is_classified_like_anything_else(classifier: Classifier) -> None:
    item = feedback("My toaster caught fire and my hand is burnt.")
    flagged = structs.replace(item, flags=(Flag.SPAM,))
    assert classifier.classify(flagged) == classifier.classify(item)


def test_a_language_without_rules_is_undetermined(classifier: Classifier) -> None:
    text = "Terve, tilasin keittiöön uuden hanan ja odotan sitä edelleen"
    found = classifier.classify(feedback(text, language="fi"))
    assert (found.severity, found.language) == (Severity.UNDETERMINED, "fi")
    assert found.confidence < 0.2


def test_without_a_model_an_unexplained_direct_text_is_a_doubtful_complaint(
    classifier: Classifier,
) -> None:
    rules_alone = Classifier(classifier.ruleset, None)
    text = "The blue one came and the label said otter on the front of it."
    mail = rules_alone.classify(feedback(text))
    post = rules_alone.classify(feedback(text, channel=Channel.SOCIAL))
    assert (mail.severity, mail.confidence) == (Severity.MEDIUM, 0.35)
    assert post.severity is Severity.LOW
    assert rules_alone.model_version == "rules"


@pytest.mark.parametrize(
    ("text", "stars", "severity", "kind"),
    [
        ("Well.", 1, Severity.MEDIUM, Kind.COMPLAINT),
        ("Lovely staff", 2, Severity.MEDIUM, Kind.COMPLAINT),
        ("The zip broke off and it feels cheap", 5, Severity.LOW, Kind.PRAISE),
        ("Lovely staff", 5, Severity.LOW, Kind.PRAISE),
        ("Lovely, but the charger caught fire", 5, Severity.CRITICAL, Kind.COMPLAINT),
    ],
)
def test_rating(
    classifier: Classifier, text: str, stars: int, severity: Severity, kind: Kind
) -> None:
    found = classifier.classify(feedback(text, channel=Channel.REVIEWS, stars=stars))
    assert (found.severity, found.kind) == (severity, kind)


@pytest.mark.parametrize(
    ("followers", "severity"), [(9_999, Severity.MEDIUM), (10_000, Severity.HIGH)]
)
def test_reach(classifier: Classifier, followers: int, severity: Severity) -> None:
    item = feedback("My zip is broken @acme", channel=Channel.SOCIAL, followers=followers)
    found = classifier.classify(item)
    assert found.severity is severity
    assert (Reason.VIRAL in found.reasons) == (severity is Severity.HIGH)


def test_reasons_are_ranked_and_at_most_three(classifier: Classifier) -> None:
    text = (
        "The heater caught fire. You also charged me twice, nobody ever called me back, the zip is "
        "broken and it is too expensive. We are taking our business elsewhere."
    )
    found = classifier.classify(feedback(text))
    assert found.severity is Severity.CRITICAL
    assert found.reasons[0] is Reason.SAFETY
    assert len(found.reasons) <= 3


def test_evidence_counts_code_points(classifier: Classifier) -> None:
    text = "🔥 Ärger: die Batterie hat gebrannt, es gab Flammen — 返"
    found = classifier.classify(feedback(text, language="de-AT"))
    assert found.language == "de"
    assert any({"gebrannt", "Flammen"} & set(e.text.split()) for e in found.evidence)
    assert all(text[e.start : e.end] == e.text for e in found.evidence)


def test_many_equals_one_by_one(classifier: Classifier) -> None:
    batch = [feedback(text) for text, _, _ in CRITERIA]
    assert classifier.classify_many(batch) == [classifier.classify(one) for one in batch]


QUOTED = "> Thank you for your order.\n> We hope that you enjoy it.\n> Your team"


def test_the_model_does_not_weigh_what_is_quoted(classifier: Classifier) -> None:
    text = "The heater caught fire and burnt my hand."
    plain = classifier.read(feedback(text))
    assert classifier.read(feedback(f"{text}\n\n{QUOTED}")).terms == plain.terms


def test_what_is_nothing_but_a_quote_is_read(classifier: Classifier) -> None:
    quoted = classifier.classify(feedback("\n> The heater caught fire and burnt my hand."))
    assert quoted.severity is Severity.CRITICAL
