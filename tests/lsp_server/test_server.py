"""The language server, spoken to by a real client over standard input and output."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import pytest_lsp
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.client import LanguageClient as PlainClient
from pytest_lsp import ClientServerConfig, LanguageClient

from lsp_server.acceptance.store import outcomes
from lsp_server.acceptance.tracker import Fate

URI = "file:///project/a.py"
LINE = 's = "😀é"; value = compute('
ENCODINGS = {
    types.PositionEncodingKind.Utf8: len(LINE.encode()),
    types.PositionEncodingKind.Utf16: len(LINE.encode("utf-16-le")) // 2,
    types.PositionEncodingKind.Utf32: len(LINE),
}


@pytest_lsp.fixture(
    params=list(ENCODINGS),
    config=ClientServerConfig(server_command=[sys.executable, "-m", "lsp_server", "lsp", "--stdio"]),
)
async def client(request: pytest.FixtureRequest, lsp_client: LanguageClient):  # noqa: ANN201
    capabilities = types.ClientCapabilities(general=types.GeneralClientCapabilities(position_encodings=[request.param]))
    options = {"deadline_ms": 20_000.0}
    lsp_client.result = await lsp_client.initialize_session(
        types.InitializeParams(capabilities=capabilities, initialization_options=options)
    )
    lsp_client.units = ENCODINGS[request.param]
    yield
    await lsp_client.shutdown_session()


def open_document(client: LanguageClient, text: str, language: str = "python", uri: str = URI) -> None:
    item = types.TextDocumentItem(uri, language, 1, text)
    client.text_document_did_open(types.DidOpenTextDocumentParams(item))


async def ask(
    client: LanguageClient,
    line: int,
    character: int,
    kind: types.InlineCompletionTriggerKind = types.InlineCompletionTriggerKind.Invoked,
    selected: types.SelectedCompletionInfo | None = None,
    uri: str = URI,
) -> list[types.InlineCompletionItem]:
    found = await client.text_document_inline_completion_async(
        types.InlineCompletionParams(
            types.InlineCompletionContext(kind, selected), types.TextDocumentIdentifier(uri), types.Position(line, character)
        )
    )
    assert isinstance(found, types.InlineCompletionList)
    return list(found.items)


async def status_of(client: LanguageClient) -> dict[str, Any]:
    """What `quickfill.status` says. A client gets objects of its own kind for what it does not know."""
    status = await client.workspace_execute_command_async(types.ExecuteCommandParams("quickfill.status"))
    return status if isinstance(status, dict) else status._asdict()


async def test_completion_is_announced_and_stands_at_the_cursor(client: LanguageClient) -> None:
    assert client.result.capabilities.inline_completion_provider
    assert client.result.capabilities.text_document_sync.change == types.TextDocumentSyncKind.Incremental
    open_document(client, f"def compute(x):\n    return x\n\n\n{LINE}\n")
    items = await ask(client, 4, client.units)
    assert items
    here = types.Position(4, client.units)
    for item in items:
        assert item.range == types.Range(here, here)
        assert item.insert_text
    assert len({item.insert_text for item in items}) == len(items)
    for item in await ask(client, 4, client.units, types.InlineCompletionTriggerKind.Automatic):
        assert item.range == types.Range(here, here)


async def test_unsure_it_stays_silent_unless_asked_by_hand_and_says_how_unsure(client: LanguageClient) -> None:
    settings = {"quickfill": {"min_confidence": 1.0}}
    client.workspace_did_change_configuration(types.DidChangeConfigurationParams(settings))
    open_document(client, "import os\n\n\ndef f(path):\n    return os.path.\n")
    assert await ask(client, 4, 19, types.InlineCompletionTriggerKind.Automatic) == []
    reason = (await status_of(client))["reason"]
    assert re.fullmatch(r"below confidence: 0\.\d\d < 1\.00", reason)
    assert await ask(client, 4, 19)
    settings["quickfill"]["min_confidence"] = 0.0
    client.workspace_did_change_configuration(types.DidChangeConfigurationParams(settings))
    assert await ask(client, 4, 19, types.InlineCompletionTriggerKind.Automatic)


async def test_edits_arrive_in_the_clients_units(client: LanguageClient) -> None:
    open_document(client, f"{LINE}\n")
    start, end = types.Position(0, client.units), types.Position(0, client.units)
    change = types.TextDocumentContentChangePartial(types.Range(start, end), "1)\nprint(value)\nprint(value)\nprint(val")
    client.text_document_did_change(
        types.DidChangeTextDocumentParams(types.VersionedTextDocumentIdentifier(uri=URI, version=2), [change])
    )
    items = await ask(client, 3, len("print(val"))
    assert items
    assert items[0].insert_text.startswith("ue")


async def test_the_selected_item_is_kept_and_its_range_used(client: LanguageClient) -> None:
    open_document(client, "import os\n\nos.pa\n")
    at = types.Range(types.Position(2, 3), types.Position(2, 5))
    for item in await ask(client, 2, 5, selected=types.SelectedCompletionInfo(at, "path")):
        assert item.range == at
        assert item.insert_text.startswith("path")


async def test_other_languages_and_unknown_documents_get_an_empty_list_and_a_reason(client: LanguageClient) -> None:
    assert await ask(client, 0, 0) == []
    open_document(client, "fn main() {", "rust")
    assert await ask(client, 0, 11) == []
    assert "rust" in (await status_of(client))["reason"]


async def test_positions_behind_the_end_are_clamped(client: LanguageClient) -> None:
    open_document(client, "x = 1")
    for item in [*await ask(client, 99, 99), *await ask(client, 0, 99)]:
        assert item.range == types.Range(types.Position(0, 5), types.Position(0, 5))


async def test_a_newer_request_stops_the_older_one(client: LanguageClient) -> None:
    open_document(client, "def f():\n    return 1\n" * 200)
    results = await asyncio.gather(*(ask(client, 300, 4) for _ in range(5)))
    assert all(items == [] for items in results[1:-1])


async def test_a_cancelled_request_ends_and_the_server_goes_on(client: LanguageClient) -> None:
    open_document(client, "def f():\n    return 1\n" * 200)
    params = types.InlineCompletionParams(
        types.InlineCompletionContext(types.InlineCompletionTriggerKind.Invoked),
        types.TextDocumentIdentifier(URI),
        types.Position(300, 4),
    )
    waiting = client.protocol.send_request_async("textDocument/inlineCompletion", params, "mine")
    task = asyncio.ensure_future(waiting)
    await asyncio.sleep(0)
    client.cancel_request(types.CancelParams("mine"))
    with pytest.raises((JsonRpcException, asyncio.CancelledError)):
        await task
    assert isinstance(await ask(client, 1, 4), list)
    assert (await status_of(client))["silences"]["withdrawn"] == 1


async def test_bad_settings_are_ignored_one_by_one(client: LanguageClient) -> None:
    client.workspace_did_change_configuration(
        types.DidChangeConfigurationParams({"quickfill": {"max_tokens": "many", "nonsense": 1, "candidates": 2}})
    )
    open_document(client, "import os\n\n\ndef f(path):\n    return os.path.\n")
    assert len(await ask(client, 4, 19)) <= 2


async def test_who_types_along_is_answered_with_the_rest_and_no_model_is_asked(client: LanguageClient) -> None:
    open_document(client, "import os\n\n\ndef home(user):\n    return os.path.")
    line, column = 4, len("    return os.path.")
    first = (await ask(client, line, column))[0].insert_text
    assert isinstance(first, str)
    for typed in range(1, min(4, len(first))):
        where = types.Position(line, column + typed - 1)
        change = types.TextDocumentContentChangePartial(types.Range(where, where), first[typed - 1])
        identifier = types.VersionedTextDocumentIdentifier(uri=URI, version=1 + typed)
        client.text_document_did_change(types.DidChangeTextDocumentParams(identifier, [change]))
        items = await ask(client, line, column + typed, types.InlineCompletionTriggerKind.Automatic)
        assert first[typed:] in [item.insert_text for item in items]
    status = await client.workspace_execute_command_async(types.ExecuteCommandParams("quickfill.status"))
    assert status["answers"]["the model"] == 1
    assert status["answers"]["what was shown before"] == min(4, len(first)) - 1


@pytest_lsp.fixture(config=ClientServerConfig(server_command=[sys.executable, "-m", "lsp_server", "lsp", "--stdio"]))
async def client_without_a_model(lsp_client: LanguageClient):  # noqa: ANN201
    options = {"model": "/no/such/model"}
    await lsp_client.initialize_session(
        types.InitializeParams(capabilities=types.ClientCapabilities(), initialization_options=options)
    )
    yield
    await lsp_client.shutdown_session()


async def test_a_model_that_cannot_be_loaded_is_the_reason_for_silence(client_without_a_model: LanguageClient) -> None:
    open_document(client_without_a_model, "x = ")
    assert await ask(client_without_a_model, 0, 4) == []
    status = await status_of(client_without_a_model)
    assert status["ready"] is False
    assert "/no/such/model" in status["reason"]
    assert status["silences"] == {"engine failed": 1}


@pytest_lsp.fixture(config=ClientServerConfig(server_command=[sys.executable, "-m", "lsp_server", "lsp", "--stdio"]))
async def curious_client(lsp_client: LanguageClient):  # noqa: ANN201
    """It wants to be told of the status, and shows progress."""
    lsp_client.told = []
    lsp_client.feature("quickfill/status")(lambda told: lsp_client.told.append(told._asdict()))
    capabilities = types.ClientCapabilities(
        window=types.WindowClientCapabilities(work_done_progress=True), experimental={"quickfillStatus": True}
    )
    await lsp_client.initialize_session(types.InitializeParams(capabilities=capabilities))
    yield
    await lsp_client.shutdown_session()


async def test_a_client_that_wants_to_know_is_told_what_changes(curious_client: LanguageClient) -> None:
    client = curious_client
    async with asyncio.timeout(60):
        while not client.told or not client.told[-1]["ready"]:
            await asyncio.sleep(0.05)
    assert client.told[0] == {"ready": False, "model": None, "reason": None}
    model = client.told[-1]["model"]
    assert client.told[1:] == [{"ready": True, "model": model, "reason": None}]
    open_document(client, "x = 1  # a comment")
    for _ in range(2):
        assert await ask(client, 0, 18, types.InlineCompletionTriggerKind.Automatic) == []
    assert [told["reason"] for told in client.told[2:]] == ["nothing is suggested unasked in this place (comment)"]
    assert [progress.kind for progress in client.progress_reports["quickfill/loading"]] == ["begin", "end"]


async def test_a_cell_of_an_ignored_notebook_is_ignored_too(client: LanguageClient, tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("private.ipynb\n")
    uri = f"vscode-notebook-cell:{tmp_path}/private.ipynb#W0"
    open_document(client, "import os\nos.pa", uri=uri)
    assert await ask(client, 1, 5, uri=uri) == []
    assert (await status_of(client))["silences"] == {"ignored file": 1}


@pytest.mark.parametrize("name", [".env.py", "ignored.py"])
async def test_the_model_sees_nothing_of_an_ignored_file(client: LanguageClient, tmp_path: Path, name: str) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("ignored.py\n")
    uri = (tmp_path / name).as_uri()
    open_document(client, "import os\n\nx = ", uri=uri)
    assert await ask(client, 2, 4, uri=uri) == []
    status = await status_of(client)
    assert status["silences"] == {"ignored file": 1}
    assert name in status["reason"]
    assert status["candidates"] == 0
    place = {"line": 2, "character": 4}
    explained = await client.workspace_execute_command_async(types.ExecuteCommandParams("quickfill.explain", [uri, place]))
    assert "0 of at most" in str(explained)
    assert name in str(explained)
    assert "import os" not in str(explained)
    filled = await client.workspace_execute_command_async(types.ExecuteCommandParams("quickfill.fillHoles", [uri]))
    assert name in str(filled)


async def test_logs_hold_no_code_even_in_detail(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = f"'{sys.executable}' -m lsp_server lsp --stdio 2>'{log}'"
    client = PlainClient("test", "1")
    await client.start_io("sh", "-c", command)
    options = {"log_level": "debug", "min_confidence": 0.0}
    await client.initialize_async(types.InitializeParams(capabilities=types.ClientCapabilities(), initialization_options=options))
    client.initialized(types.InitializedParams())
    text = "canary_in_the_mine = 1\nprint(canary_in_the_mine)\nprint(canary_in_the_mine)\nx = 1\nprint(canary_in_t"
    client.text_document_did_open(types.DidOpenTextDocumentParams(types.TextDocumentItem(URI, "python", 1, text)))
    params = types.InlineCompletionParams(
        types.InlineCompletionContext(types.InlineCompletionTriggerKind.Invoked),
        types.TextDocumentIdentifier(URI),
        types.Position(4, 17),
    )
    found = await client.text_document_inline_completion_async(params)
    assert "he_mine" in repr(found)
    for change in ([text], [{"range": text, "text": text}], [{"range": {"start": text, "end": 1}, "text": text}]):
        document = {"uri": URI, "version": text}
        params = {"textDocument": document, "contentChanges": change}
        message = json.dumps({"jsonrpc": "2.0", "method": "textDocument/didChange", "params": params}).encode()
        client.protocol.writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(message), message))
    await client.shutdown_async(None)
    client.exit(None)
    await client.stop()
    assert "could not be read: textDocument/didChange" in log.read_text()
    assert "mine" not in log.read_text()


async def test_what_becomes_of_a_suggestion_is_written_down_without_code(tmp_path: Path) -> None:
    client = PlainClient("test", "1")
    await client.start_io("env", f"XDG_STATE_HOME={tmp_path}", sys.executable, "-m", "lsp_server", "lsp", "--stdio")
    await client.initialize_async(types.InitializeParams(capabilities=types.ClientCapabilities()))
    client.initialized(types.InitializedParams())
    text = "canary_in_the_mine = 1\nprint(canary_in_the_mine)\nprint(canary_in_the_mine)\nx = 1\nprint(canary_in_t"
    open_document(client, text)
    params = types.InlineCompletionParams(
        types.InlineCompletionContext(types.InlineCompletionTriggerKind.Invoked),
        types.TextDocumentIdentifier(URI),
        types.Position(4, 17),
    )
    found = await client.text_document_inline_completion_async(params)
    assert isinstance(found, types.InlineCompletionList)
    taken = str(found.items[0].insert_text)
    change = types.TextDocumentContentChangePartial(types.Range(types.Position(4, 17), types.Position(4, 17)), taken)
    client.text_document_did_change(
        types.DidChangeTextDocumentParams(types.VersionedTextDocumentIdentifier(uri=URI, version=2), [change])
    )
    await client.shutdown_async(None)
    client.exit(None)
    await client.stop()
    file = tmp_path / "quickfill" / "acceptance.sqlite3"
    [outcome] = outcomes(file)
    assert (outcome.fate, outcome.taken, outcome.by_hand) == (Fate.WHOLE, len(taken), True)
    assert b"mine" not in b"".join(path.read_bytes() for path in file.parent.iterdir())
