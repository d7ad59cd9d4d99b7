"""A document is read over the default policy, and written so that it reads the same."""

from __future__ import annotations

import json
from importlib import resources

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.escalation import policies
from services.escalation.domain.calendar import Holiday, Span, Window
from services.escalation.domain.defaults import DEFAULT_POLICY
from services.escalation.domain.policy import Contact, Policy, SeverityPlan, Team, fingerprint
from services.escalation.domain.rota import Override
from services.escalation.policies.document import content_of, written
from services.escalation.policies.loading import examine_text
from services.escalation.policies.schema import PLAN, TOP
from shared.events import ClockKind, Kind, Reason, Severity, Step
from tests.unit.escalation_policies.told import NOW

EXAMPLE = (resources.files(policies) / "example.yaml").read_text("utf-8")
GIVEN = frozenset({
    "version", "calendars", "contacts", "teams", "rotas", "mutes", "mute_weeks", "packs", "archive",
    *Severity,
})  # fmt: skip
"""What the document has sections of its own for, and what is not for a document."""


def read(content: str) -> Policy:
    """Return the policy of a document without errors."""
    examined = examine_text("p.yaml", content, NOW)
    assert examined.policy is not None, [str(one) for one in examined.problems]
    return examined.policy


def unversioned(policy: Policy) -> Policy:
    return msgspec.structs.replace(policy, version="")


def test_an_empty_document_is_the_default_policy() -> None:
    assert unversioned(read("")) == unversioned(DEFAULT_POLICY)
    assert read("").version == f"policy-{content_of(DEFAULT_POLICY)}"


def test_the_default_policy_reads_as_it_is_written() -> None:
    text = written(DEFAULT_POLICY)
    found = read(text)
    assert unversioned(found) == unversioned(DEFAULT_POLICY)
    assert found.version == f"{DEFAULT_POLICY.version}-{content_of(DEFAULT_POLICY)}"
    assert written(found) == text, "the digits are of the content, not part of the text"


def test_the_example_is_good_and_reads_as_it_is_written() -> None:
    examined = examine_text("example.yaml", EXAMPLE, NOW)
    assert examined.problems == ()
    assert examined.policy is not None
    assert read(written(examined.policy)) == examined.policy


def test_a_policy_out_of_its_record_is_the_same_and_has_the_same_digits() -> None:
    policy = read(EXAMPLE)
    kept = msgspec.json.decode(msgspec.json.encode(policy), type=Policy)
    assert kept == policy
    assert content_of(kept) == content_of(policy)
    assert [fingerprint(one) for one in kept.calendars] == [
        fingerprint(one) for one in policy.calendars
    ]


def test_every_field_of_a_policy_has_a_key() -> None:
    """A field that is added to the policy cannot be forgotten here."""
    known = {name for name, _ in TOP.fields.values()}
    assert known | GIVEN == set(Policy.__struct_fields__)
    assert {name for name, _ in PLAN.fields.values()} == set(SeverityPlan.__struct_fields__)


def test_the_version_changes_with_the_content_only() -> None:
    one = read("version: a\nmax_epochs: 3\n")
    assert one.version.startswith("a-")
    assert read("# remarks\nmax_epochs: 3\nversion: a\n").version == one.version
    assert read("version: a\nmax_epochs: 4\n").version != one.version
    assert read("version: b\nmax_epochs: 3\n").version[1:] == one.version[1:]


def test_the_order_of_keys_is_no_content() -> None:
    one = read(
        "thanks: {other: 1h, question: 2h}\nseverities: {low: {repeat: 1}, high: {repeat: 1}}"
    )
    other = read(
        "severities: {high: {repeat: 1}, low: {repeat: 1}}\nthanks: {question: 2h, other: 1h}"
    )
    assert one == other


def test_a_severity_keeps_what_is_not_named() -> None:
    policy = read("severities: {high: {clocks: {update: none, first_response: 2h}, repeat: 5}}")
    plan, default = policy.high, DEFAULT_POLICY.high
    assert plan.repeat == 5
    assert plan.steps == default.steps
    assert ClockKind.UPDATE not in plan.targets
    assert plan.targets[ClockKind.FIRST_RESPONSE].span == Span.parse("2h")
    assert plan.targets[ClockKind.RECEIPT] == default.targets[ClockKind.RECEIPT]
    assert policy.critical == DEFAULT_POLICY.critical


def test_a_pack_inherits_from_the_severity_of_this_document() -> None:
    policy = read(
        "severities: {high: {repeat: 5}}\n"
        "packs: [{name: a, match: {reasons: legal}, severities: {high: {grace: 1m}}}]"
    )
    (pack,) = policy.packs
    assert pack.match.reasons == (Reason.LEGAL,)
    assert pack.plans[Severity.HIGH] == msgspec.structs.replace(policy.high, grace_ms=60_000)


def test_own_names_are_added_to_the_default_ones_and_replace_them() -> None:
    policy = read(
        "contacts: {anna: sms, bela: , team-lead: [pager]}\n"
        "rotas: {on-call: {fallback: anna}}\n"
        "teams: {support: {via: queue}}"
    )
    assert policy.contacts == (
        Contact(name="anna", via=("sms",)),
        Contact(name="bela"),
        Contact(name="team-lead", via=("pager",)),
        Contact(name="head-of-support"),
        Contact(name="triage"),
    )
    assert policy.teams == (Team(name="support", via=("queue",)),)
    assert policy.reach("on-call", NOW) == ("anna",)
    assert policy.reach("support", NOW) == ("support",)


def test_calendars_and_rotas_are_read_as_written() -> None:
    policy = read(EXAMPLE)
    berlin = policy.calendars[0]
    hours = (Window.parse("09:00-12:00"), Window.parse("13:00-18:00"))
    assert berlin.week == ((hours,) * 4 + ((Window.parse("09:00-15:00"),), (), ()))
    assert berlin.holidays[0] == Holiday(date="2026-12-25")
    assert not berlin.holidays[2].active
    assert policy.rotas[0].overrides == (
        Override(rota="on-call", start=1_798_099_200_000, end=1_798_272_000_000, person="chris"),
    )
    assert policy.high.steps[0] == Step(targets=("on-call",), wait_ms=3_600_000, gate="daytime")
    assert policy.thanks[Kind.PRAISE].span == Span.parse("16bh")
    assert [one.name for one in policy.mutes] == ["move to the new office"]
    assert [one.name for one in policy.mute_weeks] == ["nights"]


def test_anchors_and_merge_keys_work() -> None:
    policy = read(
        "x-mine: &mine {repeat: 1, grace: 5m}\n"
        "severities:\n  high: {<<: *mine, repeat: 2}\n  low: {<<: [*mine, {snooze: 1h}]}\n"
    )
    assert (policy.high.repeat, policy.high.grace_ms) == (2, 300_000)
    assert (policy.low.repeat, policy.low.grace_ms, policy.low.snooze_ms) == (1, 300_000, 3_600_000)


def test_names_that_yaml_takes_for_something_else_can_be_quoted() -> None:
    policy = read("contacts: {'no': x, '007': x}\nfallback: ['no', '007']\nversion: 2026-12-24")
    assert policy.fallback == ("no", "007")
    assert read(written(policy)) == policy
    assert policy.version.startswith("2026-12-24-")


def test_nothing_is_written_none() -> None:
    policy = read(
        "severities: {low: {follow_ups: none, warn: none, nudges: none, exhausted: none}}"
    )
    plan = policy.low
    assert (plan.follow_ups, plan.warn, plan.nudges_ms, plan.exhausted) == ((), (), (), ())
    assert read(written(policy)) == policy


@pytest.mark.parametrize(
    ("days", "hours"),
    [("mon", [0]), ("mon-fri", [0, 1, 2, 3, 4]), ("sat-mon", [0, 5, 6]), ("sun-sun", [6])],
)
def test_ranges_of_days(days: str, hours: list[int]) -> None:
    policy = read(f"calendars: {{office: {{week: {{{days}: '09:00-10:00'}}}}}}")
    assert [day for day in range(7) if policy.calendars[0].week[day]] == hours


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["15m", "8bh", "none", "on-call", "office", "2026-12-24", "high"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from([*TOP.fields, *PLAN.fields, *Severity, "packs", "rotas", "severities",
                             "calendars", "contacts", "teams", "mutes", "name", "match", "week"]),
            inner, max_size=4)
    ),
    max_leaves=20,
)  # fmt: skip


@given(plain)
def test_whatever_is_written_is_a_policy_or_a_list_of_errors(content: object) -> None:
    examined = examine_text("p.yaml", json.dumps(content), NOW)
    assert (examined.policy is None) == bool(examined.errors)
    if examined.policy is not None:
        assert read(written(examined.policy)) == examined.policy
