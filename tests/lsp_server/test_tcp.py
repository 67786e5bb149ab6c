"""The language server over a socket."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from conftest import suggested
from pygls.lsp.client import LanguageClient

COMMAND = [sys.executable, "-m", "lsp_server", "lsp", "--tcp"]


@pytest.fixture
def port() -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    server = subprocess.Popen([*COMMAND, f"127.0.0.1:{number}"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    yield number
    server.terminate()
    server.wait(10)


async def connected(client: LanguageClient, port: int) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            return await client.start_tcp("127.0.0.1", port)
        except OSError:
            assert time.monotonic() < end, "the server does not listen"
            await asyncio.sleep(0.2)


async def test_a_client_on_a_socket_gets_suggestions(port: int) -> None:
    client = LanguageClient("tcp", "1")
    await connected(client, port)
    assert await suggested(client)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.1:x", "127.0.0.1:99999", "{busy}", "no.such.host.invalid:9"])
def test_an_address_that_cannot_be_used_is_one_line_and_exit_code_2(address: str) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        address = address.format(busy=f"127.0.0.1:{busy.getsockname()[1]}")
        done = subprocess.run([*COMMAND, address], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert address in done.stderr
