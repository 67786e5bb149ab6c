"""Runs Python programs nobody trusts, each in a process and a folder of its own, and leaves nothing of them behind.

Knows how to start `supervisor.py`, which does the holding. Knows no benchmark.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

SUPERVISOR = Path(__file__).with_name("supervisor.py")
_PATIENCE = 30  # seconds beyond the program's own: starting and clearing up on a busy machine


def runs_to_its_end(program: str, seconds: float) -> bool:
    """Whether the program's last line was reached within this many seconds, and nothing ended or broke it before."""
    with TemporaryDirectory(prefix="quickfill-") as folder:
        environment = {
            "PATH": os.defpath,
            "HOME": folder,
            "TMPDIR": folder,
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-B", SUPERVISOR, folder, str(seconds)],
                input=program.encode("utf-8", "replace"),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
                timeout=seconds + _PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
        return done.stdout == b"passed"
