"""What the model sees of other files of a workspace, asked of the real server by a real client."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_lsp
from lsprotocol import types
from pytest_lsp import ClientServerConfig, LanguageClient
from serving import engines

CANARY = "canary_in_the_mine"
KEY = "AKIA" + "QWJ4ZD2XN7PLR5TB"
STORE = "def insert_invoice(invoice, customer):\n    return table.insert(invoice.number, customer)\n"
TEXT = "def bill(customer, invoice):\n    insert_invoice(invoice, cust\n"
CURSOR = types.Position(1, len("    insert_invoice(invoice, cust"))


@pytest_lsp.fixture(config=ClientServerConfig(server_command=[sys.executable, "-m", "lsp_server", "lsp", "--stdio"]))
async def client(lsp_client: LanguageClient, tmp_path: Path) -> AsyncIterator[None]:
    (tmp_path / "store.py").write_text(STORE)
    (tmp_path / ".gitignore").write_text("private.py\n")
    (tmp_path / "private.py").write_text(f"{CANARY} = 1\n{TEXT}")
    watching = types.DidChangeWatchedFilesClientCapabilities(dynamic_registration=True)
    capabilities = types.ClientCapabilities(workspace=types.WorkspaceClientCapabilities(did_change_watched_files=watching))
    lsp_client.registered = []

    @lsp_client.feature(types.CLIENT_REGISTER_CAPABILITY)
    def register(params: types.RegistrationParams) -> None:
        lsp_client.registered += params.registrations

    await lsp_client.initialize_session(
        types.InitializeParams(
            capabilities=capabilities,
            workspace_folders=[types.WorkspaceFolder(tmp_path.as_uri(), "project")],
            initialization_options={"deadline_ms": 30_000.0},
        )
    )
    yield
    await lsp_client.shutdown_session()


def open_document(client: LanguageClient, path: Path, text: str = TEXT) -> str:
    client.text_document_did_open(types.DidOpenTextDocumentParams(types.TextDocumentItem(path.as_uri(), "python", 1, text)))
    return path.as_uri()


async def explained(client: LanguageClient, uri: str) -> str:
    arguments = [uri, {"line": CURSOR.line, "character": CURSOR.character}]
    return str(await client.workspace_execute_command_async(types.ExecuteCommandParams("quickfill.explain", arguments)))


async def eventually(client: LanguageClient, uri: str, holds: Callable[[str], bool]) -> str:
    """What the model sees, once that is so. Choices are made in the background."""
    for _ in range(200):
        text = await explained(client, uri)
        if holds(text):
            return text
        await asyncio.sleep(0.05)
    raise AssertionError(text)


async def test_the_model_sees_the_most_similar_piece_and_nothing_that_is_ignored(client: LanguageClient, tmp_path: Path) -> None:
    uri = open_document(client, tmp_path / "bill.py")
    text = await eventually(client, uri, lambda text: "another file" in text)
    assert STORE in text
    assert "store.py" in text
    assert CANARY not in text
    items = await client.text_document_inline_completion_async(
        types.InlineCompletionParams(
            types.InlineCompletionContext(types.InlineCompletionTriggerKind.Invoked), types.TextDocumentIdentifier(uri), CURSOR
        )
    )
    assert isinstance(items, types.InlineCompletionList)
    assert items.items[0].insert_text


async def suggested_behind(client: LanguageClient, uri: str, typed: str, attempt: int = 0) -> list[str]:
    """What is suggested by hand behind this line, which ends a document. With each attempt it is another document."""
    text = f"{TEXT.splitlines()[0]}  # {attempt}\n    insert_invoice(invoice, customer)\n    {typed}"
    change = types.TextDocumentContentChangeWholeDocument(f"{text}\n")
    name = types.VersionedTextDocumentIdentifier(2, uri)
    client.text_document_did_change(types.DidChangeTextDocumentParams(name, [change]))
    items = await client.text_document_inline_completion_async(
        types.InlineCompletionParams(
            types.InlineCompletionContext(types.InlineCompletionTriggerKind.Invoked),
            types.TextDocumentIdentifier(uri),
            types.Position(2, len(typed) + 4),
        )
    )
    assert isinstance(items, types.InlineCompletionList)
    return [str(item.insert_text) for item in items.items]


async def copied(client: LanguageClient, uri: str, typed: str, rest: str, first: int = 0) -> bool:
    """Whether this is suggested behind it within some seconds: files are read in the background. Attempts count from `first`."""
    for attempt in range(first, first + 60):
        if any(text.startswith(rest) for text in await suggested_behind(client, uri, typed, attempt)):
            return True
        await asyncio.sleep(0.1)
    return False


def told(client: LanguageClient, path: Path, text: str) -> None:
    path.write_text(text)
    event = types.FileEvent(path.as_uri(), types.FileChangeType.Created)
    client.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams([event]))


async def test_what_stands_in_a_file_that_the_model_does_not_see_is_copied_from_there(
    client: LanguageClient, tmp_path: Path
) -> None:
    uri = open_document(client, tmp_path / "bill.py")
    await eventually(client, uri, lambda text: "store.py" in text)
    line = "quotient = gloxinia_quotient(alpha_bed, beta_bed)"
    told(client, tmp_path / "garden.py", f"def plant():\n    {line}\n")
    assert await copied(client, uri, "quotient = glox", "inia_quotient")
    text = await explained(client, uri)
    assert "garden.py" not in text
    assert "copied from 2 other files" in text
    told(client, tmp_path / "garden.py", f"def plant():\n    {line.replace('gloxinia', 'petunia')}\n")
    assert await copied(client, uri, "quotient = petu", "nia_quotient")


async def test_an_engine_that_takes_a_killed_ones_place_is_told_of_the_files_again(
    client: LanguageClient, tmp_path: Path
) -> None:
    uri = open_document(client, tmp_path / "bill.py")
    told(client, tmp_path / "garden.py", "def plant():\n    quotient = gloxinia_quotient(alpha_bed, beta_bed)\n")
    assert await copied(client, uri, "quotient = glox", "inia_quotient")
    [engine] = engines(Path(os.environ["XDG_RUNTIME_DIR"]))
    engine.kill()
    # What was shown before is no answer: the document is another one.
    assert await copied(client, uri, "quotient = glox", "inia_quotient", first=100)


async def test_neither_what_is_ignored_nor_a_secret_is_copied(client: LanguageClient, tmp_path: Path) -> None:
    uri = open_document(client, tmp_path / "bill.py")
    told(client, tmp_path / "private.py", "quotient = gloxinia_quotient(alpha_bed, beta_bed)\n")
    told(client, tmp_path / "keys.py", f'amazon_key = "{KEY}"\nquotient = petunia_quotient(alpha_bed, beta_bed)\n')
    assert await copied(client, uri, "quotient = petu", "nia_quotient")  # so it was read
    assert not any(KEY in text for text in await suggested_behind(client, uri, 'amazon_key = "'))
    assert not any("inia_quotient" in text for text in await suggested_behind(client, uri, "quotient = glox"))


async def test_an_ignored_document_that_is_open_is_not_seen_from_another(client: LanguageClient, tmp_path: Path) -> None:
    open_document(client, tmp_path / "private.py", f"{CANARY} = 1\n{TEXT}")
    uri = open_document(client, tmp_path / "bill.py")
    assert CANARY not in await eventually(client, uri, lambda text: "another file" in text)


async def test_an_open_document_counts_as_it_is_in_the_editor(client: LanguageClient, tmp_path: Path) -> None:
    open_document(client, tmp_path / "store.py", "# not saved yet\n" + STORE)
    uri = open_document(client, tmp_path / "bill.py")
    assert "# not saved yet" in await eventually(client, uri, lambda text: "another file" in text)


async def test_it_asks_to_be_told_of_files_and_hears_of_new_ones(client: LanguageClient, tmp_path: Path) -> None:
    async with asyncio.timeout(20):
        while not client.registered:
            await asyncio.sleep(0.05)
    [registration] = client.registered
    assert registration.method == types.WORKSPACE_DID_CHANGE_WATCHED_FILES
    (tmp_path / "new.py").write_text(f"# made later\n{TEXT}")
    created = types.FileEvent((tmp_path / "new.py").as_uri(), types.FileChangeType.Created)
    client.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams([created]))
    uri = open_document(client, tmp_path / "bill.py")
    await eventually(client, uri, lambda text: "# made later" in text)


async def test_a_file_that_becomes_ignored_is_not_seen_any_more(client: LanguageClient, tmp_path: Path) -> None:
    uri = open_document(client, tmp_path / "bill.py")
    await eventually(client, uri, lambda text: "store.py" in text)
    (tmp_path / ".gitignore").write_text("private.py\nstore.py\n")
    changed = types.FileEvent((tmp_path / ".gitignore").as_uri(), types.FileChangeType.Changed)
    client.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams([changed]))
    await eventually(client, uri, lambda text: "store.py" not in text)
    for _ in range(10):
        assert "store.py" not in await explained(client, uri)


async def test_it_can_be_turned_off(client: LanguageClient, tmp_path: Path) -> None:
    uri = open_document(client, tmp_path / "bill.py")
    await eventually(client, uri, lambda text: "another file" in text)
    settings = {"quickfill": {"other_files": False}}
    client.workspace_did_change_configuration(types.DidChangeConfigurationParams(settings))
    for _ in range(10):
        assert "another file" not in await explained(client, uri)


@pytest.mark.parametrize("folder", ["missing", "file.py"])
async def test_a_workspace_that_is_no_folder_does_no_harm(client: LanguageClient, tmp_path: Path, folder: str) -> None:
    (tmp_path / "file.py").write_text("x = 1\n")
    added = types.WorkspaceFolder((tmp_path / folder).as_uri(), folder)
    client.workspace_did_change_workspace_folders(
        types.DidChangeWorkspaceFoldersParams(types.WorkspaceFoldersChangeEvent([added], []))
    )
    uri = open_document(client, tmp_path / "bill.py")
    await eventually(client, uri, lambda text: "store.py" in text)
    assert "store.py" in await explained(client, uri)


async def proposed(client: LanguageClient, *arguments: object) -> dict[str, Any]:
    command = types.ExecuteCommandParams("quickfill.nextEdit", list(arguments))
    return cast(dict[str, Any], await client.workspace_execute_command_async(command))


async def test_a_change_is_proposed_in_other_files_that_the_model_may_see_if_the_client_can_go_there(
    client: LanguageClient, tmp_path: Path
) -> None:
    """Changed in one file; of two others with the same words one is ignored. What stands in the editor counts."""
    before = "from store import insert_invoice\n\n\ndef bill(customer, invoice):\n    insert_invoice(invoice, customer)\n"
    rest = "from store import add_invoice\n\n\ndef rest(customer, invoice):\n    insert_invoice(invoice, customer)\n"
    (tmp_path / "private.py").write_text(rest)
    (tmp_path / "other.py").write_text(rest)
    (tmp_path / "store.py").unlink()
    client.workspace_did_change_watched_files(
        types.DidChangeWatchedFilesParams(
            [
                types.FileEvent((tmp_path / name).as_uri(), kind)
                for name, kind in (("other.py", types.FileChangeType.Created), ("store.py", types.FileChangeType.Deleted))
            ]
        )
    )
    uri = open_document(client, tmp_path / "bill.py", before)
    changed = before.replace("insert_invoice", "add_invoice")
    for version, new in enumerate([before.replace("insert_invoice", "add_invoice", 1), changed], 2):
        client.text_document_did_change(
            types.DidChangeTextDocumentParams(
                types.VersionedTextDocumentIdentifier(uri=uri, version=version),
                [types.TextDocumentContentChangeWholeDocument(new)],
            )
        )
    assert "in this file" in (await proposed(client, uri))["reason"]
    for _ in range(200):
        found = await proposed(client, uri, True)
        if found["edit"]:
            break
        await asyncio.sleep(0.05)
    assert found["uri"] == (tmp_path / "other.py").as_uri()
    row = found["edit"]["range"]["start"]
    assert (row["line"], row["character"], found["edit"]["newText"]) == (4, 4, "add_invoice")
    moved = open_document(client, tmp_path / "other.py", "\n\n" + rest)
    assert (await proposed(client, uri, True))["edit"]["range"]["start"] == {"line": 6, "character": 4}
    client.text_document_did_change(
        types.DidChangeTextDocumentParams(
            types.VersionedTextDocumentIdentifier(uri=moved, version=2),
            [types.TextDocumentContentChangeWholeDocument(rest.replace("insert", "add"))],
        )
    )
    assert (await proposed(client, uri, True))["reason"] == "`insert_invoice` stands nowhere else in the files that were read"
