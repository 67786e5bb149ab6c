"""While a team's server is away, the model of this machine answers, and says so."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import cast

import pytest
from lsprotocol import types
from pygls.lsp.client import LanguageClient
from serving import serving, until

from lsp_server.engine import Infiller, ServerAway
from lsp_server.fallback import AWAY_SECONDS, FallbackEngine
from model.infilling.request import Candidate, Infilling, InfillRequest

REQUEST = InfillRequest(("a = ", "\n"))
URI = "file:///a.py"


class Fake:
    """An engine that writes its name, or is away."""

    def __init__(self, name: str) -> None:
        self.name, self.away, self.asked = name, False, 0
        self.forgotten: list[str] = []

    def infill(self, request: InfillRequest, session: str = "", cancelled: object = None) -> Infilling:
        self.asked += 1
        if self.away:
            raise ServerAway("server is away: nobody answers")
        return Infilling((Candidate((self.name,), 0.0),), None, 1, 1)

    def submit(self, request: InfillRequest, session: str = "", cancelled: object = None) -> Future[Infilling]:
        found: Future[Infilling] = Future()
        found.set_result(self.infill(request, session))
        return found

    def forget(self, session: str) -> None:
        self.forgotten.append(session)


class Pair:
    """Both engines, the clock, and the gate through which the model of this machine is loaded."""

    def __init__(self, load: Callable[[], Infiller] | None = None) -> None:
        self.now, self.loaded = 0.0, threading.Event()
        self.server, self.local = Fake("the server"), Fake("this machine")

        def wait() -> Infiller:
            self.loaded.wait(20)
            return cast(Infiller, self.local)

        self.engine = FallbackEngine(cast(Infiller, self.server), load or wait, lambda: self.now)

    def written(self) -> str:
        return self.engine.infill(REQUEST).candidates[0].text

    def until_local(self) -> None:
        self.loaded.set()
        until(lambda: self.engine._local is not None and self.engine._local.done(), "the model of this machine")


def test_a_server_that_answers_is_the_only_one_that_is_asked() -> None:
    pair = Pair()
    assert pair.written() == "the server"
    assert pair.engine._local is None


def test_until_the_model_of_this_machine_is_loaded_the_reason_says_so() -> None:
    pair = Pair()
    pair.server.away = True
    for _ in range(2):
        with pytest.raises(ServerAway, match="nobody answers; the model of this machine is being loaded"):
            pair.written()
    assert pair.server.asked == 1
    pair.until_local()
    assert pair.written() == "this machine"
    assert "while the server is away (server is away: nobody answers)" in pair.engine.name


def test_a_server_that_is_back_is_asked_again_after_a_while() -> None:
    pair = Pair()
    pair.server.away = True
    with pytest.raises(ServerAway):
        pair.written()
    pair.until_local()
    pair.server.away = False
    assert pair.written() == "this machine"
    assert pair.engine.submit(REQUEST).result().candidates[0].text == "this machine"
    pair.now += AWAY_SECONDS
    assert pair.written() == "the server"
    assert pair.engine.name == "the server"
    pair.engine.forget("file")
    assert pair.server.forgotten == pair.local.forgotten == ["file"]


def test_each_time_the_server_leaves_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    pair = Pair()
    for said in (1, 2):
        pair.server.away = True
        for _ in range(3):
            with pytest.raises(ServerAway):
                pair.written()
            pair.now += AWAY_SECONDS
        assert len(caplog.records) == said
        pair.server.away = False
        assert pair.written() == "the server"


def test_without_any_model_the_reason_names_both() -> None:
    def fails() -> Infiller:
        raise ValueError("no weights")

    pair = Pair(fails)
    pair.server.away = True
    with pytest.raises(ServerAway):
        pair.written()
    until(lambda: pair.engine._local is not None and pair.engine._local.done(), "the failure")
    with pytest.raises(ServerAway, match="nobody answers; and the model of this machine cannot be loaded: no weights"):
        pair.written()


async def test_an_editor_goes_on_when_its_server_is_killed(tmp_path: Path) -> None:
    client = LanguageClient("test", "1")
    text = "import os\n\n\ndef home(user):\n    return os.path.\n"
    context = types.InlineCompletionContext(types.InlineCompletionTriggerKind.Invoked)
    params = types.InlineCompletionParams(context, types.TextDocumentIdentifier(URI), types.Position(4, 19))

    async def suggested() -> bool:
        found = await client.text_document_inline_completion_async(params)
        return isinstance(found, types.InlineCompletionList) and bool(found.items)

    async def eventually() -> None:
        async with asyncio.timeout(120):
            while not await suggested():
                await asyncio.sleep(0.2)

    with serving(tmp_path, "--socket", str(tmp_path / "socket")) as server:
        until(server.is_ready, "the model")
        await client.start_io(sys.executable, "-m", "lsp_server", "lsp", "--server", server.address)
        options = {"deadline_ms": 20_000.0}
        await client.initialize_async(
            types.InitializeParams(capabilities=types.ClientCapabilities(), initialization_options=options)
        )
        client.initialized(types.InitializedParams())
        client.text_document_did_open(types.DidOpenTextDocumentParams(types.TextDocumentItem(URI, "python", 1, text)))
        await eventually()
        server.process.kill()
        server.process.wait()
    client.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(URI)))
    client.text_document_did_open(types.DidOpenTextDocumentParams(types.TextDocumentItem(URI, "python", 2, text)))
    await eventually()
    status = await client.workspace_execute_command_async(types.ExecuteCommandParams("quickfill.status"))
    assert "on this machine, while the server is away" in str(status)
    await client.shutdown_async(None)
    client.exit(None)
    await client.stop()
