"""Programs that loop, fork, kill, leave early or take everything: all fail, and nothing of them is left."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from model.evaluation.sandbox import runs_to_its_end

# Gets the real fork_exec back behind the sandbox's back, and with it a child without any guard.
ESCAPE = """
import sys
del sys.modules["_posixsubprocess"]
import _posixsubprocess as p, os
def start(code):
    a, b = os.pipe()
    last = [False] if sys.version_info < (3, 14) else []
    return p.fork_exec([b"python", b"-c", code], (os.fsencode(sys.executable),), True, (b,), None, [b"A=1"],
        -1, -1, -1, -1, -1, -1, a, b, True, True, -1, None, None, None, -1, None, *last)
"""


def leftovers(marker: str) -> list[psutil.Process]:
    """Processes that were started with this text on their command line."""
    return [p for p in psutil.process_iter(["cmdline"]) if any(marker in part for part in p.info["cmdline"] or ())]


@pytest.fixture
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    "program",
    [
        "assert 1 + 1 == 2",
        "open('notes.txt', 'w').write('x')\nassert open('notes.txt').read() == 'x'",
        "print('many words' * 1000)",
        "def f(x: int) -> int: return x\nassert f.__annotations__['x'] is int",
        "import numpy\nassert numpy.arange(4).sum() == 6",
        "import math, re, collections, itertools, functools, heapq, hashlib, random, string, datetime",
    ],
    ids=["plain", "its own file", "prints", "annotations are evaluated", "numpy", "standard library"],
)
def test_a_program_that_runs_to_its_end_passes(program: str) -> None:
    assert runs_to_its_end(program, 10)


@pytest.mark.parametrize(
    "program",
    [
        "assert False",
        "this is not Python",
        "while True: pass",
        "import time\ntime.sleep(60)",
        "raise SystemExit(0)",
        "exit(0)",
        "import sys\nsys.exit(0)",
        "import os\nos._exit(0)",
        "input()",
        "import sys\nsys.stdin.read()",
        "x = bytearray(1 << 40)",
        "x = []\nwhile True: x.append(bytearray(1 << 28))",
        "while True: print('x' * (1 << 20))",
        "f = open('big', 'wb')\nwhile True: f.write(b'x' * (1 << 16))",
        "import os\nos.fork()",
        "import os\nwhile True:\n    try: os.fork()\n    except Exception: pass",
        "import subprocess\nsubprocess.run(['true'])",
        "import os\nos.system('true')",
        "import multiprocessing\nmultiprocessing.get_context('spawn').Process(target=print).start()",
        "import os\nos.kill(os.getppid(), 9)",
        "import os, signal\nos.killpg(0, signal.SIGKILL)",
        "import ctypes\nctypes.CDLL(None).kill(-1, 9)",
        "import os\nos.closerange(0, 1000)",
        "import os\nfor fd in range(3, 20):\n    try: os.write(fd, b'passed')\n    except OSError: pass\nos._exit(0)",
        "import shutil\nshutil.rmtree('/tmp/no-such-folder')",
        "import socket\nsocket.create_connection(('127.0.0.1', 9))",
        "import sys\nsys.setrecursionlimit(10**9)\nf = lambda: f()\nf()",
        "bad = '\\0'\n\0",
        "import os\nos._exit = lambda code: None\nos.closerange(3, 100)",
    ],
)
def test_every_other_end_is_a_failure(program: str, own_temporary_folder: Path) -> None:
    assert not runs_to_its_end(program, 1)
    assert list(own_temporary_folder.iterdir()) == []


@pytest.mark.parametrize("action", ["open(path, 'w')", "os.remove(path)", "os.truncate(path, 0)", "os.rename(path, path + '2')"])
def test_files_elsewhere_stay_as_they_are(tmp_path: Path, action: str) -> None:
    file = tmp_path / "precious"
    file.write_text("precious")
    program = f"import os\npath = {str(file)!r}\ntry:\n    {action}\nexcept OSError:\n    pass\nelse:\n    raise ValueError"
    assert runs_to_its_end(program, 5)
    assert file.read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_a_link_is_no_way_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    assert not runs_to_its_end(f"import os\nos.symlink({str(tmp_path)!r}, 'here')\nopen('here/precious', 'w')", 5)
    assert (tmp_path / "precious").read_text() == "precious"


def test_what_is_written_in_the_own_folder_goes_with_it(own_temporary_folder: Path) -> None:
    assert runs_to_its_end("for n in range(20): open(f'{n}.txt', 'w').write('x')", 5)
    assert list(own_temporary_folder.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands orphans to a process that asks for them")
def test_a_daemon_that_got_past_the_guard_does_not_outlive_its_program(tmp_path: Path) -> None:
    marker, proof = f"marker-{time.time_ns()}", tmp_path / "started"
    daemon = f"""
import os, time
marker = "{marker}"
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
open({str(proof)!r}, "w").write("x")
time.sleep(600)
"""
    program = f"{ESCAPE}\nimport time\nstart({daemon!r}.encode())\nwhile not os.path.exists({str(proof)!r}): time.sleep(0.05)"
    if psutil.Process().username() != "root":
        pytest.skip("the kernel already refuses processes to everyone but root")
    assert runs_to_its_end(program, 20)
    assert proof.exists(), "the daemon never ran, so this shows nothing"
    assert leftovers(marker) == []
