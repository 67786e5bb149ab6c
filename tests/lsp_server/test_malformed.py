"""Ten thousand broken, reordered and senseless messages: the server answers on, and knows the right text afterwards."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from queue import Empty, Queue
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

URI = "file:///project/a.py"
EXAMPLES = int(os.environ.get("QUICKFILL_MESSAGES", "10000"))
AT_ONCE = 50  # messages of one example
PATIENCE = 60.0

METHODS = [
    "textDocument/didOpen",
    "textDocument/didChange",
    "textDocument/didClose",
    "textDocument/didSave",
    "textDocument/inlineCompletion",
    "textDocument/codeAction",
    "workspace/executeCommand",
    "workspace/didChangeConfiguration",
    "workspace/didChangeWorkspaceFolders",
    "$/cancelRequest",
    "$/setTrace",
    "$/progress",
    "initialized",
    "window/workDoneProgress/cancel",
    "notebookDocument/didOpen",
    "no/such",
    "",
]
ATOMS = st.none() | st.booleans() | st.integers(-5, 2**40) | st.floats(allow_nan=False) | st.text(max_size=6) | st.just(URI)
NAMES = st.sampled_from(
    [
        "textDocument",
        "uri",
        "position",
        "line",
        "character",
        "range",
        "start",
        "end",
        "text",
        "version",
        "contentChanges",
        "languageId",
        "context",
        "triggerKind",
        "selectedCompletionInfo",
        "command",
        "arguments",
        "settings",
        "quickfill",
        "id",
        "x",
    ]
)
JSON = st.recursive(ATOMS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=8)
DOCUMENT = st.fixed_dictionaries(
    {"uri": st.sampled_from([URI, "file:///b.py", "untitled:1", "", "%%%"])}, optional={"version": ATOMS}
)
PLACE = st.fixed_dictionaries({"line": st.integers(-2, 9), "character": st.integers(-2, 2**33)})
RANGE = st.fixed_dictionaries({"start": PLACE, "end": PLACE})
# What is nearly right gets further than noise.
NEARLY = st.one_of(
    st.fixed_dictionaries({"textDocument": DOCUMENT, "position": PLACE}, optional={"context": JSON}),
    st.fixed_dictionaries(
        {
            "textDocument": DOCUMENT,
            "contentChanges": st.lists(st.fixed_dictionaries({"text": st.text(max_size=9)}, optional={"range": RANGE})),
        }
    ),
    st.fixed_dictionaries(
        {
            "textDocument": st.fixed_dictionaries(
                {"uri": st.just(URI), "languageId": ATOMS, "version": ATOMS, "text": st.text(max_size=30)}
            )
        }
    ),
    st.fixed_dictionaries(
        {"command": st.sampled_from(["quickfill.fillHoles", "quickfill.repair", "quickfill.explain", "quickfill.status", "x"])},
        optional={"arguments": st.lists(st.one_of(JSON, st.just(URI), RANGE, PLACE), max_size=3)},
    ),
)
MESSAGE = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | ATOMS,
        "method": st.sampled_from(METHODS) | ATOMS,
        "params": NEARLY | NEARLY | JSON,
        "id": st.integers(10**6, 10**7) | st.text(max_size=3) | ATOMS,
        "result": JSON,
        "error": JSON,
    },
)
BODY = st.one_of(MESSAGE.map(json.dumps), MESSAGE.map(json.dumps), JSON.map(json.dumps), st.text(max_size=20)).map(str.encode)


class Server:
    """A running server; its answers are read as they come."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "lsp_server", "lsp", "--stdio"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.answers: Queue[dict[str, Any]] = Queue()
        self.asked = 0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        out = self.process.stdout
        assert out is not None
        while line := out.readline():
            if line.lower().startswith(b"content-length:"):
                while out.readline().strip():
                    pass
                self.answers.put(json.loads(out.read(int(line.split(b":")[1]))))

    def write(self, body: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def tell(self, method: str, params: object, **more: object) -> None:
        self.write(json.dumps({"jsonrpc": "2.0", "method": method, "params": params, **more}).encode())

    def ask(self, method: str, params: object) -> dict[str, Any]:
        self.asked += 1
        key = f"asked {self.asked}"
        self.tell(method, params, id=key)
        try:
            while True:
                answer = self.answers.get(timeout=PATIENCE)
                if answer.get("id") == key:
                    return answer
                if "method" in answer and "id" in answer:  # the server's own question
                    self.write(json.dumps({"jsonrpc": "2.0", "id": answer["id"], "result": None}).encode())
        except Empty:
            raise AssertionError(
                f"no answer to {method}; the server {'runs' if self.process.poll() is None else 'ended'}"
            ) from None


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    server.ask(
        "initialize",
        {"processId": None, "capabilities": {}, "initializationOptions": {"deadline_ms": 50.0, "log_level": "error"}},
    )
    server.tell("initialized", {})
    yield server
    server.process.kill()
    server.process.wait()


@settings(max_examples=EXAMPLES // AT_ONCE, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(BODY, min_size=AT_ONCE, max_size=AT_ONCE), st.integers())
def test_after_any_messages_the_server_answers_and_knows_the_text(server: Server, bodies: list[bytes], seed: int) -> None:
    for body in bodies:
        server.write(body)
    # Then a client that does everything right, in a document that the noise may have opened: opening it anew is what counts.
    text = "".join(random.Random(seed).choice("ab\n ___") for _ in range(20)) + "\nimport os\nx = ___\n"
    server.tell("textDocument/didOpen", {"textDocument": {"uri": URI, "languageId": "python", "version": 1, "text": text}})
    edit = {"range": {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}}, "text": "é = 1\n"}
    server.tell("textDocument/didChange", {"textDocument": {"uri": URI, "version": 2}, "contentChanges": [edit]})
    explained = server.ask(
        "workspace/executeCommand", {"command": "quickfill.explain", "arguments": [URI, {"line": 1, "character": 0}]}
    )
    assert "é = 1" in explained["result"]
    place = {"textDocument": {"uri": URI}, "position": {"line": 0, "character": 2}, "context": {"triggerKind": 1}}
    assert "result" in server.ask("textDocument/inlineCompletion", place)
    assert server.process.poll() is None
