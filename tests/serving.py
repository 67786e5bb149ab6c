"""A real `quickfill serve` for tests: its processes, its address, what it wrote to the log, and plain requests to it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import psutil

from lsp_server.remote import UnixConnection

TOKEN = "a-token-of-the-tests"
PATIENT = 120.0  # seconds, for a machine that has other work


def until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENT
    while not true():
        assert time.monotonic() < end, f"in vain waited for: {what}"
        time.sleep(0.02)


def engines(folder: Path) -> list[psutil.Process]:
    """The shared engines whose sockets are somewhere in a folder."""
    found = []
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
        except psutil.Error:
            continue
        if "lsp_server.gateway.shared" in command and any(part.startswith(str(folder)) for part in command):
            found.append(process)
    return found


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.text)
        return found

    @property
    def error(self) -> dict[str, object]:
        found = self.json["error"]
        assert isinstance(found, dict)
        assert set(found) == {"message", "type", "param", "code"}
        return found


@dataclass
class Serving:
    process: subprocess.Popen[str]
    address: str
    log: Path

    def connection(self) -> HTTPConnection:
        if self.address.startswith("unix:"):
            return UnixConnection(self.address.removeprefix("unix:"), PATIENT)
        return HTTPConnection(*self.place, timeout=PATIENT)

    @property
    def place(self) -> tuple[str, int]:
        host, _, port = self.address.removeprefix("http://").rpartition(":")
        return host, int(port)

    def ask(self, method: str, path: str, body: object = None, token: str | None = TOKEN) -> Reply:
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        connection = self.connection()
        connection.request(method, path, raw, headers)
        response = connection.getresponse()
        reply = Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read().decode())
        connection.close()
        return reply

    def figure(self, name: str) -> float:
        """One figure of /metrics; 0 while it is not there."""
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.ask("GET", "/metrics").text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def worker(self) -> psutil.Process:
        children = psutil.Process(self.process.pid).children()
        assert len(children) == 1
        return children[0]

    def is_ready(self) -> bool:
        return self.ask("GET", "/readyz").status == 200


@contextmanager
def serving(
    folder: Path, *arguments: str, tokens: str | None = TOKEN, variables: Mapping[str, str] | None = None
) -> Iterator[Serving]:
    log = folder / "log.txt"
    environment = {name: value for name, value in os.environ.items() if name != "QUICKFILL_TOKEN"}
    environment |= variables or {}
    if tokens is not None:
        environment["QUICKFILL_TOKEN"] = tokens
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "lsp_server", "serve", *arguments],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment,
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("listening on "), log.read_text()
        yield Serving(process, line.removeprefix("listening on ").strip(), log)
    finally:
        process.kill()  # its worker sees the end of its standard input
        process.wait(10)
        process.stdout.close()
