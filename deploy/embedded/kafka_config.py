"""The broker's settings: one node, quick to start, to fail over and to recover; nothing expires."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from deploy.embedded.ports import HOST

_MIB = 1024 * 1024

LOGGING = {
    "rootLogger.level": "INFO",
    "rootLogger.appenderRef.console.ref": "console",
    "appender.console.type": "Console",
    "appender.console.name": "console",
    "appender.console.layout.type": "PatternLayout",
    "appender.console.layout.pattern": "%d{ISO8601} %p %m (%c{1})%n%throwable",
    # At every start each component prints its whole configuration: hundreds of lines.
    "logger.config.name": "org.apache.kafka.common.config.AbstractConfig",
    "logger.config.level": "WARN",
}
"""log4j 2: everything to standard output, which is the service's log file."""

_ALONE = {
    "node.id": "1",
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "default.replication.factor": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # One partition each: there is nobody to share the coordinators' work with.
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.num.partitions": "1",
}

_QUICK = {
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "3000",
    "group.consumer.min.session.timeout.ms": "3000",
    "group.consumer.min.heartbeat.interval.ms": "1000",
    # A killed broker may register again only when its old session is over.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    # Rarely: a time-out that meets a restarting broker is marked complete without its marker in
    # __consumer_offsets (seen with 4.3.1), and that group then waits for ever. The worker's
    # successor aborts the transaction anyway, as it has the same transactional id.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "30000",
    # After a kill the last segment of every partition is read again.
    "log.segment.bytes": str(128 * _MIB),
    "num.recovery.threads.per.data.dir": "2",
}

_SMALL = {
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "4",
    "log.cleaner.dedupe.buffer.size": str(32 * _MIB),
}

_KEEP = {
    "auto.create.topics.enable": "false",
    "log.retention.ms": "-1",
    "log.retention.bytes": "-1",
    "offsets.retention.minutes": str(366 * 24 * 60),
}


def server_properties(logs: Path, port: int, controller_port: int) -> dict[str, str]:
    """All broker properties, for data in `logs`."""
    own = f"PLAINTEXT://{HOST}:{port}"
    return {
        **_ALONE,
        **_QUICK,
        **_SMALL,
        **_KEEP,
        "log.dirs": str(logs),
        "listeners": f"{own},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": own,
        "controller.quorum.voters": f"1@{HOST}:{controller_port}",
    }


def render(properties: Mapping[str, str]) -> str:
    """In the format of a Java properties file; backslashes are escaped."""
    lines = (f"{key}={value}".replace("\\", "\\\\") for key, value in properties.items())
    return "\n".join([*lines, ""])
