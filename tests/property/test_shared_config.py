"""Settings survive the way through the environment of a child process."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import config
from shared.config import Config, Scalar
from shared.errors import Misconfigured

DEFAULTS = config.dotted(Config())
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


def values_of(default: Scalar) -> st.SearchStrategy[Scalar]:
    """Return values within the range of every setting of that type."""
    if isinstance(default, bool):
        return st.booleans()
    if isinstance(default, int):
        return st.integers(min_value=1, max_value=65_535)
    if isinstance(default, float):
        return st.floats(min_value=1e-6, max_value=1e12)
    return TEXT


settings_ = st.fixed_dictionaries(
    {}, optional={name: values_of(default) for name, default in DEFAULTS.items()}
)


@given(settings_)
def test_settings_survive_the_environment(given_: dict[str, Scalar]) -> None:
    loaded = config.load(config.as_environ(given_))
    assert config.dotted(loaded.config) == DEFAULTS | given_
    assert set(loaded.origins) == set(given_)


@given(settings_, settings_)
def test_flags_win_whatever_the_values(
    environ: dict[str, Scalar], flags: dict[str, Scalar]
) -> None:
    loaded = config.load(config.as_environ(environ), flags)
    assert config.dotted(loaded.config) == DEFAULTS | environ | flags
    assert {name for name, origin in loaded.origins.items() if origin == "flag"} == set(flags)


@given(
    st.dictionaries(
        TEXT.map(lambda name: config.PREFIX + name), TEXT, min_size=1, max_size=3
    ).filter(lambda environ: not config.RESERVED & set(environ))
)
def test_any_environment_is_settings_or_a_message(environ: dict[str, str]) -> None:
    try:
        said = "".join(config.load(environ).origins.values())
    except Misconfigured as error:
        said = str(error)
    assert any(f"${name}" in said for name in environ)


@given(st.sampled_from(["kafka.partitions", "streams.max_records"]), st.integers(max_value=0))
def test_a_count_below_one_is_refused_by_name(name: str, value: int) -> None:
    with pytest.raises(Misconfigured, match=name):
        config.load({}, {name: value})


@given(st.floats(max_value=0.0, allow_nan=False))
def test_time_does_not_stand_still_or_run_backwards(value: float) -> None:
    with pytest.raises(Misconfigured, match="speedup"):
        config.load({}, {"clock.speedup": value})
