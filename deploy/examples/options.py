"""The command line that the Python examples have in common."""

from __future__ import annotations

import argparse


def options(description: str, group: str) -> argparse.ArgumentParser:
    """Return a parser of where Kafka is; ``--idle-s`` ends a program that has nothing left to do."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--bootstrap", default="127.0.0.1:9092")
    parser.add_argument("--prefix", default="", help="kafka.topic_prefix of the installation")
    parser.add_argument("--group", default=group)
    parser.add_argument("--idle-s", type=float, default=None)
    return parser
