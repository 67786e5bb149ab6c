"""With the bundled model nothing opens a connection: any attempt ends the process that made it, or one that it started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import suggested
from pygls.lsp.client import LanguageClient

# Local pairs of connected sockets, which an event loop wakes itself with, and Unix sockets lead nowhere.
GUARD = """
import os, sys
def guard(event, arguments):
    if event in ("socket.connect", "socket.bind") and isinstance(arguments[1], (str, bytes)):
        return
    if event in ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        sys.stderr.write(f"{event}{arguments}")
        sys.stderr.flush()
        os._exit(9)
sys.addaudithook(guard)
"""
CODE = "import os\n\n\ndef home(user):\n    return os.path.\n"


@pytest.fixture
def guarded(tmp_path: Path) -> dict[str, str]:
    """Variables with which every Python process, and those it starts, are guarded; their engine is one of their own."""
    (tmp_path / "sitecustomize.py").write_text(GUARD)
    return {**os.environ, "PYTHONPATH": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}


def test_fill_opens_no_connection(tmp_path: Path, guarded: dict[str, str]) -> None:
    file = tmp_path / "a.py"
    file.write_text(CODE)
    command = [sys.executable, "-m", "lsp_server", "fill", f"{file}:5:20"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=guarded)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_guard_would_notice_one_even_in_a_process_below(guarded: dict[str, str]) -> None:
    connects = "import socket; socket.create_connection(('127.0.0.1', 9))"
    below = f"import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-P', '-c', {connects!r}]).returncode)"
    assert subprocess.run([sys.executable, "-c", below], capture_output=True, check=False, env=guarded).returncode == 9


@pytest.mark.parametrize("shared_engine", [True, False])
async def test_the_language_server_opens_no_connection(guarded: dict[str, str], shared_engine: bool) -> None:
    client = LanguageClient("air-gap", "1")
    await client.start_io(sys.executable, "-m", "lsp_server", "lsp", "--stdio", env=guarded)
    assert await suggested(client, {"shared_engine": shared_engine})
