"""With the bundled model nothing opens a connection: any attempt ends the process that made it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from conftest import suggested
from pygls.lsp.client import LanguageClient

# Local pairs of connected sockets, which an event loop wakes itself with, are not in the list: they lead nowhere.
GUARD = """
import os, sys
def guard(event, arguments):
    if event in ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        sys.stderr.write(f"{event}{arguments}")
        sys.stderr.flush()
        os._exit(9)
sys.addaudithook(guard)
from lsp_server.cli import main
main()
"""
CODE = "import os\n\n\ndef home(user):\n    return os.path.\n"


def test_fill_opens_no_connection(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text(CODE)
    done = subprocess.run([sys.executable, "-c", GUARD, "fill", f"{file}:5:20"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_guard_would_notice_one(tmp_path: Path) -> None:
    code = GUARD.replace("from lsp_server.cli import main\nmain()", "import socket; socket.create_connection(('127.0.0.1', 9))")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 9


async def test_the_language_server_opens_no_connection() -> None:
    client = LanguageClient("air-gap", "1")
    await client.start_io(sys.executable, "-c", GUARD, "lsp", "--stdio")
    assert await suggested(client)
