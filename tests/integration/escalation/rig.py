"""An escalation worker as a real process, customers who write, and the command line on both."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import msgspec
from click.testing import CliRunner
from confluent_kafka import Producer

from deploy.stack import Stack
from services import cli
from services.commands.cases_send import Desk, NoSuchCase
from services.escalation.policies.simulation import Sample
from shared import codec, ids, topics
from shared.clock import SystemClock
from shared.config import Scalar, as_environ
from shared.events import Case, FeedbackClassified, Severity, Struct
from shared.topics import Topic
from tests.chaos.history import Entry, read
from tests.services import Installation, wait_for

PARTITIONS = 2
TENANT = "default"


class Done(NamedTuple):
    """How a command line ended."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[Any]:
        """Its JSON lines; it must have succeeded."""
        assert self.code == 0, self.err
        return [json.loads(line) for line in self.out.splitlines()]


class Office:
    """One installation with an escalation worker; ``close`` ends it."""

    def __init__(self, installation: Installation, folder: Path, **extra: Scalar) -> None:
        self.installation = installation
        loaded = installation.loaded(kafka__partitions=PARTITIONS, **extra)
        self.config = loaded.config
        self.stack = Stack(folder, loaded, workers={"escalation": 1})
        self.desk = Desk(self.config)
        self._environ = as_environ(installation.settings(kafka__partitions=PARTITIONS, **extra))
        self._producer = Producer({**self.config.kafka.client(), "log_level": 2})
        self._count = 0

    def start(self) -> Office:
        """Create the topics and start the worker."""
        self.stack.start()
        return self

    def close(self) -> None:
        """End the worker."""
        self.stack.stop()

    def now(self) -> int:
        """Return the time of the installation, which may run faster."""
        return SystemClock(self.config.clock.speedup, self.config.clock.epoch_ms).now_ms()

    # ---- the command line

    def tocsin(self, *words: str, stdin: str = "", **environ: str) -> Done:
        """Run a command line in this process."""
        with (
            mock.patch("sys.argv", ["tocsin", *words]),
            CliRunner(env={**self._environ, **environ}).isolation(stdin) as (out, err, _),
        ):
            try:
                cli.main()
            except SystemExit as end:
                code = end.code
        assert isinstance(code, int)
        assert err is not None
        return Done(code, out.getvalue().decode(), err.getvalue().decode())

    def cases(self, *words: str) -> Done:
        """Run a command on cases, by Ada."""
        return self.tocsin("cases", *words, "--actor", "ada")

    # ---- customers

    def written(
        self, customer: str, text: str = "The kettle leaks.", severity: Severity = Severity.HIGH
    ) -> FeedbackClassified:
        """Return what a customer writes now."""
        self._count += 1
        item = Sample(severity=severity).feedback(self._count, self.now())
        received = msgspec.structs.replace(
            item.feedback,
            text=text,
            customer_key=customer,
            record_key=ids.record_key(TENANT, customer),
            thread_id=f"thread-{self._count}",
        )
        return msgspec.structs.replace(item, feedback=received)

    def send(self, item: FeedbackClassified) -> None:
        """Write a classified feedback into its topic."""
        self.put(topics.FEEDBACK_CLASSIFIED, item, item.feedback.record_key)

    def put(self, topic: Topic, event: Struct | bytes | None, key: str, **more: Any) -> None:
        """Write a record; ``owner`` is the record key of its partition, by default ``key``."""
        value = codec.encode(event) if isinstance(event, Struct) else event
        number = ids.partition_of(more.pop("owner", key), PARTITIONS)
        name = self.installation.names.of(topic)
        self._producer.produce(name, value, key.encode(), number, **more)
        assert self._producer.flush(30) == 0

    def opened(self, customer: str, **fields: Any) -> Case:
        """Have a customer write, and return the case that this opens."""
        item = self.written(customer, **fields)
        self.send(item)
        case_id = ids.case_id(TENANT, customer, item.feedback.feedback_id)
        return self.shown(case_id, lambda _: True)

    # ---- what there is

    def shown(self, case_id: str, fits: Callable[[Case], bool]) -> Case:
        """Wait until the view has the case as it has to be."""

        def look() -> Case | None:
            case = self.case(case_id)
            return case if case is not None and fits(case) else None

        return wait_for(look, f"{case_id} in the view", 60.0)

    def case(self, case_id: str) -> Case | None:
        """Return a case of the view, None when there is none."""
        try:
            return self.desk.case(case_id)
        except NoSuchCase:
            return None

    def log(self, topic: Topic) -> list[Entry]:
        """Return the committed records of a topic."""
        history = read(self.installation.bootstrap, self.installation.prefix, [topic.name])
        return history.of(topic.name)

    def outcome(self, feedback_id: str) -> Mapping[str, Any]:
        """Wait for the outcome of a feedback."""

        def look() -> Any:
            found = [one.value for one in self.log(topics.FEEDBACK_OUTCOMES)]
            return next((one for one in found if one["feedback_id"] == feedback_id), None)

        found: Mapping[str, Any] = wait_for(look, f"the outcome of {feedback_id}", 60.0, 0.2)
        return found
