"""The load benchmark: it finds where people begin to wait, and does not take silence for speed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from lsp_server.benchmarks.load import LIMIT_MS, MOST_TYPISTS, Level, Wait, _level, most_served, search

COMMAND = [sys.executable, "-m", "lsp_server", "bench", "load"]


def level(typists: int, served: int) -> Level:
    wait = 10.0 if typists <= served else 2 * LIMIT_MS
    return Level(typists, 100, 100, 0, 0, 5.0, wait, wait, wait)


@pytest.mark.parametrize("served", [0, 1, 2, 5, 24, 100, MOST_TYPISTS, 10 * MOST_TYPISTS])
def test_the_number_is_found_to_an_eighth(served: int) -> None:
    asked: list[int] = []

    def measured(typists: int) -> Level:
        asked.append(typists)
        return level(typists, served)

    levels = search(measured)
    assert len(set(asked)) == len(asked) <= 16
    assert [found.typists for found in levels] == sorted(asked)
    found = most_served(levels)
    assert found <= served
    assert found == MOST_TYPISTS or served - found <= max(1, served // 8)


def test_a_server_that_answers_nobody_in_time_does_not_look_fast() -> None:
    slow = _level(1, [Wait(20.0, "answered")] + [Wait(400.0, "cancelled")] * 9, 1.0)
    assert slow.p95_ms == 20.0
    assert not slow.is_served
    assert not _level(1, [Wait(20.0, "answered"), Wait(1.0, "failed")], 1.0).is_served


def test_the_command_starts_a_server_and_measures_it() -> None:
    done = subprocess.run(
        [*COMMAND, "--typists", "2", "--seconds", "2", "--json"], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["benchmark"] == "load"
    [found] = report["levels"]
    assert found["typists"] == 2
    assert found["answered"] > 0
    assert found["failed"] == 0
    assert found["keys"] == found["answered"] + found["cancelled"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--server", "nonsense"], "address"),
        (["--server", "unix:/nowhere/at/all"], "server is away"),
        (["--plot", "/nowhere/at/all.svg"], "--plot"),
        (["--plot", "a.txt"], "--plot"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(arguments: list[str], complaint: str) -> None:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert len(done.stderr.splitlines()) == 1
