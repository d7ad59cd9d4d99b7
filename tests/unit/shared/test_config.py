from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from shared import config
from shared.config import Config, Kafka, Loaded, Scalar, Section
from shared.errors import Misconfigured


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def toml(folder: Path, text: str, name: str = "tocsin.toml") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def test_nothing_given_is_all_defaults() -> None:
    assert config.load({}) == Loaded(Config(), {})


def test_what_is_not_ours_is_left_alone() -> None:
    assert config.load({"PATH": "/bin", "KAFKA_HOME": "/opt", "tocsin_tenant": "x"}).origins == {}


def test_flags_beat_the_environment_beats_the_file(empty_folder: Path) -> None:
    toml(empty_folder, "[kafka]\npartitions = 2\nreplication = 2\nsession_timeout_ms = 2\n")
    environ = {"TOCSIN_KAFKA__PARTITIONS": "3", "TOCSIN_KAFKA__REPLICATION": "3"}
    loaded = config.load(environ, {"kafka.partitions": 4})
    kafka = loaded.config.kafka
    assert (kafka.partitions, kafka.replication, kafka.session_timeout_ms) == (4, 3, 2)
    assert kafka.transaction_timeout_ms == Kafka().transaction_timeout_ms
    assert loaded.origins == {
        "kafka.partitions": "flag",
        "kafka.replication": "$TOCSIN_KAFKA__REPLICATION",
        "kafka.session_timeout_ms": "tocsin.toml",
    }


@pytest.mark.parametrize(
    ("variable", "name"),
    [("KAFKA_BOOTSTRAP_SERVERS", "kafka.bootstrap_servers"), ("REDIS_URL", "redis.url")],
)
def test_usual_names_are_accepted_and_our_own_win(variable: str, name: str) -> None:
    loaded = config.load({variable: "usual"})
    assert config.dotted(loaded.config)[name] == "usual"
    assert loaded.origins == {name: f"${variable}"}
    ours = config.as_environ({name: "ours"})
    assert config.dotted(config.load({variable: "usual", **ours}).config)[name] == "ours"


def test_the_file_is_found_in_the_folder_by_variable_or_by_argument(tmp_path: Path) -> None:
    toml(tmp_path, 'tenant = "here"\n')
    named = toml(tmp_path, 'tenant = "named"\n', "named.toml")
    given = toml(tmp_path, 'tenant = "given"\n', "given.toml")
    environ = {"TOCSIN_CONFIG": str(named)}
    assert config.load({}).config.tenant == "here"
    assert config.load(environ).config.tenant == "named"
    assert config.load(environ, file=given).config.tenant == "given"


def test_every_section_can_be_set_by_file(tmp_path: Path) -> None:
    defaults = config.dotted(Config())
    changed = {name: _another(value) for name, value in defaults.items()}
    lines = [f"{name} = {_literal(value)}" for name, value in changed.items() if "." not in name]
    for section in Config.__struct_fields__:
        inner = {n.partition(".")[2]: v for n, v in changed.items() if n.startswith(section + ".")}
        if inner:
            lines += [f"[{section}]", *(f"{n} = {_literal(v)}" for n, v in inner.items())]
    loaded = config.load({}, file=toml(tmp_path, "\n".join(lines), "all.toml"))
    assert config.dotted(loaded.config) == changed
    assert set(loaded.origins) == set(defaults)


def _another(value: Scalar) -> Scalar:
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int | float) else value + "x"


def _literal(value: Scalar) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def test_every_setting_can_be_set_by_environment() -> None:
    changed = {name: _another(value) for name, value in config.dotted(Config()).items()}
    environ = config.as_environ(changed)
    assert environ["TOCSIN_KAFKA__PARTITIONS"] == "9"
    assert environ["TOCSIN_TENANT"] == "defaultx"
    assert config.dotted(config.load(environ).config) == changed


def test_flags_are_passed_to_children_as_text() -> None:
    assert config.as_environ({"a.b": True, "a.c": 1, "d": 0.5}) == {
        "TOCSIN_A__B": "true",
        "TOCSIN_A__C": "1",
        "TOCSIN_D": "0.5",
    }


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("s3cret\n")
    loaded = config.load({"TOCSIN_PRIVACY__PSEUDONYM_KEY_FILE": str(secret)})
    assert loaded.config.privacy.pseudonym_key == "s3cret"
    assert loaded.origins == {"privacy.pseudonym_key": "$TOCSIN_PRIVACY__PSEUDONYM_KEY_FILE"}


def test_a_secret_that_cannot_be_read_says_which(tmp_path: Path) -> None:
    environ = {"TOCSIN_KAFKA__SASL_PASSWORD_FILE": str(tmp_path / "none")}
    with pytest.raises(Misconfigured, match=r"\$TOCSIN_KAFKA__SASL_PASSWORD_FILE: cannot read"):
        config.load(environ)
    (tmp_path / "none").write_bytes(b"\xff\xfe")
    with pytest.raises(Misconfigured, match=r"\$TOCSIN_KAFKA__SASL_PASSWORD_FILE.*not UTF-8"):
        config.load(environ)


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("TOCSIN_KAFKA__PARTITION", "kafka.partitions"),
        ("TOCSIN_KAFKA_PARTITIONS", "kafka.partitions"),
        ("TOCSIN_TENNANT", "tenant"),
        ("TOCSIN_PRIVACY__PSEUDONYM", "privacy.pseudonym_key"),
    ],
)
def test_an_unknown_variable_names_the_nearest_setting(variable: str, nearest: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        config.load({variable: "8"})
    assert str(caught.value).startswith(f"${variable}: unknown setting")
    assert str(caught.value).endswith(f"did you mean {nearest!r}?")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[kafka]\npartition = 1", "'kafka.partition'; did you mean 'kafka.partitions'"),
        ("kafka = 5", "unknown setting 'kafka'"),
        ("[tenant]\na = 1", "unknown setting 'tenant.a'; did you mean 'tenant'"),
        ("[kafka.deeper]\na = 1", "unknown setting 'kafka.deeper'"),
        ("[unheard]\nof = 1", "unknown setting 'unheard.of'"),
        ("[kafka", "tocsin.toml"),
        ('[kafka]\npartitions = "eight"', "kafka.partitions: Expected `int`"),
        ("[kafka]\npartitions = 2026-01-01", "kafka.partitions: Expected `int`"),
        ("[kafka]\ntopic_prefix = [1]", "kafka.topic_prefix: Expected `str`"),
        ("tenant = 5", "tenant: Expected `str`"),
    ],
)
def test_a_wrong_file_says_where(empty_folder: Path, text: str, message: str) -> None:
    toml(empty_folder, text)
    with pytest.raises(Misconfigured) as caught:
        config.load({})
    assert str(caught.value).startswith("tocsin.toml: ")
    assert message in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"cannot read .*nowhere\.toml: No such file"):
        config.load({"TOCSIN_CONFIG": str(tmp_path / "nowhere.toml")})
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(Misconfigured, match=r"binary\.toml"):
        config.load({}, file=tmp_path / "binary.toml")


@pytest.mark.parametrize(
    ("environ", "flags", "origin"),
    [
        ({"TOCSIN_KAFKA__PARTITIONS": "eight"}, {}, "$TOCSIN_KAFKA__PARTITIONS"),
        ({"TOCSIN_KAFKA__PARTITIONS": "8.5"}, {}, "$TOCSIN_KAFKA__PARTITIONS"),
        ({}, {"kafka.partitions": "x"}, "flag"),
    ],
)
def test_a_wrong_type_names_setting_and_origin(
    environ: dict[str, str], flags: dict[str, Scalar], origin: str
) -> None:
    with pytest.raises(Misconfigured) as caught:
        config.load(environ, flags)
    assert str(caught.value).startswith(f"{origin}: kafka.partitions: Expected `int`")


def test_variables_of_other_parts_of_the_product_are_known() -> None:
    assert config.load(dict.fromkeys(config.RESERVED - {"TOCSIN_CONFIG"}, "x")).origins == {}


def test_a_client_gets_only_what_is_set() -> None:
    assert Kafka().client() == {
        "bootstrap.servers": "127.0.0.1:9092",
        "security.protocol": "PLAINTEXT",
    }
    secure = Kafka(
        security_protocol="SASL_SSL",
        sasl_mechanism="PLAIN",
        sasl_username="u",
        sasl_password="p",
        ssl_ca_location="/ca",
    ).client()
    assert secure["sasl.password"] == "p"
    assert secure["ssl.ca.location"] == "/ca"


def test_all_sections_are_closed_and_frozen() -> None:
    for value in msgspec.structs.asdict(Config()).values():
        if isinstance(value, Section):
            assert type(value).__struct_config__.frozen
            assert type(value).__struct_config__.forbid_unknown_fields
