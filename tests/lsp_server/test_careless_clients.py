"""Clients that do not keep to the specification are answered, and nobody is shown a pop-up for each key."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

URI = "file:///project/a.py"
PATHS = "".join(f"def {name}(path):\n    return os.path.join(path)\n\n\n" for name in ("first", "second", "third"))
TEXT = f"import os\n\n\n{PATHS}def fourth(path):\n    return os.path.\n"
OPTIONS = {"deadline_ms": 20_000.0, "min_confidence": 0.0}  # how sure the model is does not matter to these tests
PLACE = {"textDocument": {"uri": URI}, "position": {"line": 16, "character": 19}}


class RawClient:
    """Writes and reads JSON-RPC messages as they are: a typed client could not send what these tests send."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "lsp_server", "lsp", "--stdio"]
        self.server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.notifications: list[str] = []
        self.requests = 0

    def send(self, method: str, params: object, **more: object) -> None:
        body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, **more}).encode()
        assert self.server.stdin is not None
        self.server.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.server.stdin.flush()

    def ask(self, method: str, params: object) -> dict[str, Any]:
        """The response to a request, an error included."""
        self.requests += 1
        self.send(method, params, id=self.requests)
        while True:
            message = self._receive()
            if message.get("id") == self.requests:
                return message
            self.notifications.append(message["method"])

    def _receive(self) -> dict[str, Any]:
        out = self.server.stdout
        assert out is not None
        length = 0
        while (line := out.readline().strip()) or not length:
            assert self.server.poll() is None, "the server ended"
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        message: dict[str, Any] = json.loads(out.read(length))
        return message


@pytest.fixture
def client() -> Iterator[RawClient]:
    client = RawClient()
    client.ask("initialize", {"processId": None, "capabilities": {}, "initializationOptions": OPTIONS})
    client.send("initialized", {})
    client.send("textDocument/didOpen", {"textDocument": {"uri": URI, "languageId": "python", "version": 1, "text": TEXT}})
    yield client
    assert client.ask("shutdown", None)["result"] is None
    client.send("exit", None)
    assert client.server.wait(10) == 0


def items(client: RawClient, **context: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.ask("textDocument/inlineCompletion", {**PLACE, **context})["result"]["items"]
    return found


def test_a_client_that_counts_trigger_kinds_from_zero_gets_what_it_asks_for(client: RawClient) -> None:
    assert len(items(client, context={"triggerKind": 0})) > 1  # invoked by hand
    assert len(items(client, context={"triggerKind": 1})) == 1  # typed
    assert client.notifications == []


def test_a_client_that_counts_from_one_gets_what_it_asks_for(client: RawClient) -> None:
    assert len(items(client, context={"triggerKind": 1})) > 1
    assert len(items(client, context={"triggerKind": 2})) == 1


@pytest.mark.parametrize("context", [{}, {"context": {}}, {"context": None}], ids=["missing", "empty", "null"])
def test_a_request_without_a_context_is_answered(client: RawClient, context: dict[str, object]) -> None:
    assert items(client, **context)
    assert client.notifications == []


def test_fields_of_other_servers_extensions_are_passed_over(client: RawClient) -> None:
    document = {"uri": URI, "version": 1}
    params = {**PLACE, "textDocument": document, "formattingOptions": {"tabSize": 4}, "context": {"triggerKind": 2}}
    assert client.ask("textDocument/inlineCompletion", params)["result"]["items"]


def test_a_request_that_cannot_be_read_gets_an_error_and_the_server_goes_on(client: RawClient) -> None:
    assert "error" in client.ask("textDocument/inlineCompletion", {"position": "here"})
    assert items(client, context={"triggerKind": 2})
    assert client.notifications == []
