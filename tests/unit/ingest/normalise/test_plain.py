"""The values that are let through without being looked at are those in which nothing would be found."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.channels.normalise.pipeline import _PLAIN
from services.ingest.channels.normalise.redact import redact
from services.ingest.channels.normalise.repair import clean_and_repaired


@given(
    st.from_regex(_PLAIN, fullmatch=True),
    st.sampled_from((None, "DE", "US", "GB", "FO", "AC", "IN", "NL")),
)
def test_a_plain_value_stays_as_it_is(value: str, region: str | None) -> None:
    assert redact(value, region).text == value
    assert clean_and_repaired(value, len(value)) == value
