"""A client that knows no inline completion gets the suggestion as an item of its popup; one that knows it gets no popup."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

import pytest
import pytest_lsp
from lsprotocol import types
from pygls.lsp.client import LanguageClient as PlainClient
from pytest_lsp import ClientServerConfig, LanguageClient

URI = "file:///project/size.py"
TEXT = '# "é😀" of a size\ndef size(width, height):\n    return width * hei\n'
CAN = types.CompletionClientCapabilities(
    completion_item=types.ClientCompletionItemOptions(
        preselect_support=True, documentation_format=[types.MarkupKind.Markdown, types.MarkupKind.PlainText]
    )
)


@pytest_lsp.fixture(config=ClientServerConfig(server_command=[sys.executable, "-m", "lsp_server", "lsp", "--stdio"]))
async def client(lsp_client: LanguageClient) -> AsyncIterator[None]:
    lsp_client.offered = await lsp_client.initialize_session(
        types.InitializeParams(
            capabilities=types.ClientCapabilities(text_document=types.TextDocumentClientCapabilities(completion=CAN)),
            initialization_options={"deadline_ms": 30_000.0, "min_confidence": 0.0},
        )
    )
    lsp_client.text_document_did_open(types.DidOpenTextDocumentParams(types.TextDocumentItem(URI, "python", 1, TEXT)))
    yield
    await lsp_client.shutdown_session()


async def popup(client: LanguageClient, line: int, character: int, uri: str = URI) -> types.CompletionList:
    params = types.CompletionParams(types.TextDocumentIdentifier(uri), types.Position(line, character))
    found = await client.text_document_completion_async(params)
    assert isinstance(found, types.CompletionList)
    return found


@pytest.mark.asyncio
async def test_the_item_replaces_the_word_that_is_typed_by_the_word_and_what_follows(client: LanguageClient) -> None:
    assert client.offered.capabilities.completion_provider is not None
    found = await popup(client, 2, 22)
    assert found.is_incomplete  # asked again, it may know better
    (item,) = found.items
    edit = item.text_edit
    assert isinstance(edit, types.TextEdit)
    assert edit.range.start == types.Position(2, 19)
    assert edit.range.end >= types.Position(2, 22)
    assert edit.new_text.startswith("hei")
    assert len(edit.new_text) > len("hei")
    assert item.filter_text == edit.new_text
    assert item.label == edit.new_text.strip().splitlines()[0]
    assert item.preselect
    assert item.insert_text_mode is None  # which this client does not know


@pytest.mark.asyncio
async def test_a_suggestion_of_several_lines_is_shown_whole_beside_the_popup(client: LanguageClient) -> None:
    method = "    def {0}(self, key):\n        if key not in self.{0}s:\n            raise KeyError(key)\n"
    method += "        return self.{0}s[key]\n\n"
    text = "class Store:\n" + method.format("item") + method.format("user") + "    def group(self, key):\n"
    uri = "file:///project/pairs.py"
    client.text_document_did_open(types.DidOpenTextDocumentParams(types.TextDocumentItem(uri, "python", 1, text)))
    (item,) = (await popup(client, 11, 25, uri)).items
    edit = item.text_edit
    assert isinstance(edit, types.TextEdit)
    assert "\n" in edit.new_text
    assert "def " not in edit.new_text  # the body, and not the method after it
    assert item.label.strip()
    assert "\n" not in item.label
    if item.label.endswith(" …"):
        assert isinstance(item.documentation, types.MarkupContent)
        assert edit.new_text in item.documentation.value


@pytest.mark.asyncio
async def test_where_nothing_is_suggested_unasked_the_popup_stays_empty(client: LanguageClient) -> None:
    for line, character in ((0, 12), (1, 6)):  # in a comment, in the middle of a word
        assert (await popup(client, line, character)).items == ()
    assert (await popup(client, 0, 0, "file:///nowhere.py")).items == ()


async def test_who_shows_inline_completion_is_offered_no_popup() -> None:
    knows = types.TextDocumentClientCapabilities(inline_completion=types.InlineCompletionClientCapabilities())
    client = PlainClient("inline", "1")
    await client.start_io(sys.executable, "-m", "lsp_server", "lsp", "--stdio")
    found = await client.initialize_async(types.InitializeParams(capabilities=types.ClientCapabilities(text_document=knows)))
    await client.shutdown_async(None)
    client.exit(None)
    await client.stop()
    assert found.capabilities.completion_provider is None
    assert found.capabilities.inline_completion_provider
