"""Configuration: the only reader of the environment.

Order: defaults < ``tocsin.toml`` < environment < command line flags. An environment variable names a
setting as ``TOCSIN_<SECTION>__<SETTING>``; ``KAFKA_BOOTSTRAP_SERVERS`` and ``REDIS_URL`` are accepted
as well. A secret ``X`` may come from a file named by ``X_FILE``. An unknown setting is an error that
names the nearest known one. Every value remembers where it came from (``tocsin config show``).
"""

from __future__ import annotations

import difflib
import ipaddress
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from shared.errors import Misconfigured

Scalar = str | int | float | bool
Count = Annotated[int, msgspec.Meta(ge=1)]
Span = Annotated[float, msgspec.Meta(gt=0)]
Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
PREFIX = "TOCSIN_"
ALIASES = {
    "KAFKA_BOOTSTRAP_SERVERS": ("kafka", "bootstrap_servers"),
    "REDIS_URL": ("redis", "url"),
}
RESERVED = {"TOCSIN_CONFIG", "TOCSIN_CACHE_DIR", "TOCSIN_REDIS_SERVER"}


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all sections."""


class Kafka(Section, frozen=True):
    """Connection to Kafka and the shape of the topics."""

    bootstrap_servers: str = "127.0.0.1:9092"
    topic_prefix: str = ""
    partitions: Count = 8
    replication: Count = 1
    session_timeout_ms: Count = 6_000
    transaction_timeout_ms: Count = 10_000
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str = ""
    sasl_username: str = ""
    sasl_password: str = ""
    ssl_ca_location: str = ""
    allow_plaintext: bool = False

    def client(self) -> dict[str, Scalar]:
        """Return what every librdkafka client needs to connect."""
        settings: dict[str, Scalar] = {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": self.security_protocol,
        }
        optional = {
            "sasl.mechanism": self.sasl_mechanism,
            "sasl.username": self.sasl_username,
            "sasl.password": self.sasl_password,
            "ssl.ca.location": self.ssl_ca_location,
        }
        return settings | {name: value for name, value in optional.items() if value}


class Redis(Section, frozen=True):
    """Connection to Redis, which holds only what can be rebuilt from Kafka."""

    url: str = "redis://127.0.0.1:6379/0"
    namespace: str = "tocsin"
    timeout_s: Span = 5.0
    allow_plaintext: bool = False


class Worker(Section, frozen=True):
    """What all processes share: probes, shutdown and the identity of the slot."""

    host: str = "127.0.0.1"
    metrics_port: Port = 0
    slot: str = "0"
    drain_timeout_s: Span = 20.0
    stuck_after_s: Span = 60.0


class Streams(Section, frozen=True):
    """Bounds of the chunk transaction."""

    max_records: Count = 10_000
    max_bytes: Count = 16_000_000
    queue_bytes: Count = 32_000_000
    dead_letter_ratio: Span = 0.5
    dead_letter_run: Count = 1_000
    dead_letter_window: Count = 2_000


class Ingest(Section, frozen=True):
    """The HTTP door and the bounds behind it."""

    host: str = "127.0.0.1"
    port: Port = 8080
    keys: str = ""
    max_body_bytes: Count = 1_000_000
    max_batch_bytes: Count = 16_000_000
    max_batch_items: Count = 10_000
    max_in_flight: Count = 20_000
    max_in_flight_bytes: Count = 64_000_000
    request_deadline_s: Span = 10.0
    dedupe_days: Span = 45.0
    sources_file: str = "sources.toml"
    public_url: str = ""
    max_hook_bytes: Count = 32_000_000
    smtp_host: str = "127.0.0.1"
    smtp_port: Port = 0
    lmtp_port: Port = 0
    smtp_peers: str = ""
    smtp_tls_cert: str = ""
    smtp_tls_key: str = ""
    smtp_max_bytes: Count = 32_000_000
    smtp_max_connections: Count = 200


class Classifier(Section, frozen=True):
    """Rules and model, and who else is asked."""

    rules_dir: str = ""
    model_file: str = ""
    second_opinion: str = "none"
    second_below: Span = 0.6
    second_budget_s: Span = 0.25
    endpoint_url: str = ""
    endpoint_model: str = ""
    endpoint_key: str = ""
    endpoint_daily_requests: Count = 1_000


class Console(Section, frozen=True):
    """The HTTP JSON API."""

    host: str = "127.0.0.1"
    port: Port = 8090
    tokens: str = ""
    deadline_s: Span = 5.0
    rate: Span = 50.0
    index_file: str = ""


class Escalation(Section, frozen=True):
    """What each severity asks for, and who is told."""

    policy_file: str = ""


class Notifier(Section, frozen=True):
    """Who is told of what, and the messages to customers."""

    sinks_file: str = "sinks.toml"
    host: str = "127.0.0.1"
    port: Port = 8070
    public_url: str = ""
    window: Count = 2_000
    concurrency: Count = 64
    timeout_s: Span = 10.0
    give_up_after_s: Span = 172_800.0
    allow_private: bool = False
    replies: str = "receipt,follow_up,survey,nudge"


class Privacy(Section, frozen=True):
    """Keys for pseudonyms, and for sealing what is not redacted."""

    pseudonym_key: str = "change-me"
    seal_key: str = ""


class Clock(Section, frozen=True):
    """Policy time; ``speedup`` above 1 is for demonstrations only."""

    speedup: Span = 1.0
    epoch_ms: int = 0


class Log(Section, frozen=True):
    """Logging."""

    level: str = "info"
    format: str = "auto"


class Config(Section, frozen=True):
    """All settings of Tocsin."""

    tenant: str = "default"
    kafka: Kafka = Kafka()
    redis: Redis = Redis()
    worker: Worker = Worker()
    streams: Streams = Streams()
    ingest: Ingest = Ingest()
    classifier: Classifier = Classifier()
    escalation: Escalation = Escalation()
    console: Console = Console()
    notifier: Notifier = Notifier()
    privacy: Privacy = Privacy()
    clock: Clock = Clock()
    log: Log = Log()


class Loaded(msgspec.Struct, frozen=True):
    """A configuration and the origin of every value that is not a default."""

    config: Config
    origins: dict[str, str]


def load(
    environ: Mapping[str, str],
    flags: Mapping[str, Scalar] | None = None,
    file: Path | None = None,
) -> Loaded:
    """Merge all sources.

    Args:
        environ: environment variables.
        flags: dotted setting → value, for example ``{"kafka.partitions": 4}``.
        file: ``tocsin.toml``; defaults to ``$TOCSIN_CONFIG`` or ``./tocsin.toml`` when it exists.

    Raises:
        Misconfigured: an unknown setting or a value of the wrong type, with its origin.
    """
    values: dict[str, Scalar] = {}
    origins: dict[str, str] = {}
    for name, value, origin in (
        *_from_file(_config_file(environ, file)),
        *_from_environ(environ),
        *((name, value, "flag") for name, value in (flags or {}).items()),
    ):
        _check_known(name, origin)
        values[name] = value
        origins[name] = origin
    return Loaded(_build(values, origins), origins)


def check_exposure(config: Config) -> None:
    """Refuse to send feedback unencrypted to another machine, unless that is explicitly allowed.

    Raises:
        Misconfigured: names the setting that is missing.
    """
    kafka, redis = config.kafka, config.redis
    if not kafka.allow_plaintext and kafka.security_protocol in {"PLAINTEXT", "SASL_PLAINTEXT"}:
        for server in kafka.bootstrap_servers.split(","):
            host = server.strip().rpartition(":")[0]
            if not is_loopback(host):
                raise Misconfigured(
                    f"kafka.security_protocol is {kafka.security_protocol}, and {host} is another "
                    "machine: use SASL_SSL or SSL, or set kafka.allow_plaintext"
                )
    url = urlsplit(redis.url)
    if not redis.allow_plaintext and url.scheme == "redis" and not is_loopback(url.hostname or ""):
        raise Misconfigured(
            f"redis.url has no TLS, and {url.hostname} is another machine: "
            "use rediss://, or set redis.allow_plaintext"
        )


def is_loopback(host: str) -> bool:
    """Return whether ``host`` is this machine."""
    if host in {"localhost", ""}:
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def dotted(config: Config) -> dict[str, Scalar]:
    """Return every setting as dotted name → value."""
    flat: dict[str, Scalar] = {}
    for name, value in msgspec.structs.asdict(config).items():
        if isinstance(value, Section):
            for inner, scalar in msgspec.structs.asdict(value).items():
                flat[f"{name}.{inner}"] = scalar
        else:
            flat[name] = value
    return flat


def as_environ(settings: Mapping[str, Scalar]) -> dict[str, str]:
    """Return dotted settings as the environment variables that set them in a child process."""
    return {
        PREFIX + name.replace(".", "__").upper(): _text(value) for name, value in settings.items()
    }


def _text(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _config_file(environ: Mapping[str, str], file: Path | None) -> Path | None:
    if file is not None:
        return file
    if named := environ.get("TOCSIN_CONFIG"):
        return Path(named)
    default = Path("tocsin.toml")
    return default if default.is_file() else None


def _from_file(path: Path | None) -> Iterator[tuple[str, Scalar, str]]:
    if path is None:
        return
    try:
        tree = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise Misconfigured(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path}: {error}") from error
    for name, value in tree.items():
        if isinstance(value, dict):
            for inner, scalar in value.items():
                yield f"{name}.{inner}", scalar, str(path)
        else:
            yield name, value, str(path)


def _from_environ(environ: Mapping[str, str]) -> Iterator[tuple[str, Scalar, str]]:
    for variable, (section, setting) in ALIASES.items():
        if variable in environ:
            yield f"{section}.{setting}", environ[variable], f"${variable}"
    for variable, value in sorted(environ.items()):
        if not variable.startswith(PREFIX) or variable in RESERVED:
            continue
        name = variable.removeprefix(PREFIX).lower().replace("__", ".")
        if name.endswith("_file") and name not in _KNOWN:
            yield name.removesuffix("_file"), _read_secret(variable, value), f"${variable}"
        else:
            yield name, value, f"${variable}"


def _read_secret(variable: str, path: str) -> str:
    try:
        return Path(path).read_text("utf-8").strip()
    except OSError as error:
        raise Misconfigured(f"${variable}: cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Misconfigured(f"${variable}: {path} is not UTF-8 text") from error


_KNOWN = frozenset(dotted(Config()))


def _check_known(name: str, origin: str) -> None:
    if name in _KNOWN:
        return
    nearest = difflib.get_close_matches(name, _KNOWN, n=1, cutoff=0.0)
    raise Misconfigured(f"{origin}: unknown setting {name!r}; did you mean {nearest[0]!r}?")


def _build(values: Mapping[str, Scalar], origins: Mapping[str, str]) -> Config:
    tree: dict[str, Scalar | dict[str, Scalar]] = {}
    for name, value in values.items():
        section, dot, setting = name.partition(".")
        if not dot:
            tree[name] = value
            continue
        branch = tree.setdefault(section, {})
        if isinstance(branch, dict):
            branch[setting] = value
    try:
        return msgspec.convert(tree, Config, strict=False)
    except msgspec.ValidationError as error:
        path = str(error).rpartition("`$.")[2].rstrip("`")
        raise Misconfigured(f"{origins.get(path, 'configuration')}: {path}: {error}") from error
