"""`quickfill bench step`: what a pass costs, beside what it has to cost."""

from __future__ import annotations

import json
import subprocess
import sys


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lsp_server", "bench", "step", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_pass_is_measured_for_each_number_of_rows_and_never_beats_the_machine() -> None:
    found = json.loads(run("--shapes", "12M", "--rows", "1,16", "--rounds", "3", "--json").stdout)
    assert [(step["shape"], step["way"], step["rows"], step["parameters"]) for step in found["steps"]] == [
        ("12M", "kernels", 1, 11534592),
        ("12M", "kernels", 16, 11534592),
    ]
    assert all(0 < step["floor_ms"] < step["ms"] for step in found["steps"])


def test_what_cannot_be_measured_gets_one_line() -> None:
    for arguments, complaint in ((["--shapes", "9M"], "12M, 30M, 0.5B, 7B"), (["--device", "tpu"], "device must be cpu")):
        done = run(*arguments)
        assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 1)
        assert complaint in done.stderr
