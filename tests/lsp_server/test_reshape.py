"""A suggestion is made longer or shorter, and whoever asks again at the same place is given what has become of it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

import pytest
import pytest_lsp
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pytest_lsp import ClientServerConfig, LanguageClient

from lsp_server.completion.reshape import one_line, shorter

URI = "file:///project/pairs.py"
TEXT = "def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n    return a - b\n\n\ndef multiply(a, b):\n"
TEXTS = st.text(st.sampled_from("ab_ .(\n\r\té")).map(lambda text: text.replace("\r\n", "\n"))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a + b", "a +"),
        ("return", None),
        ("self.total(", "self.total"),
        ("\n    one()\n    return two()", "\n    one()"),
        ("x\n\n    y\n", "x"),
        ("\n    one()", "\n    one"),
        (" \n", None),
        ("", None),
    ],
)
def test_shorter_is_a_line_or_a_word_less(text: str, left: str | None) -> None:
    assert shorter(text) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a\nb", "a"),
        ("\n    one()\n    two()", "\n    one()"),
        ("a", None),
        ("a\r\nb", "a"),
        ("\n  a", None),
        ("", None),
        ("\n", None),
    ],
)
def test_one_line_is_the_first_with_text(text: str, left: str | None) -> None:
    assert one_line(text) == left


@given(TEXTS)
def test_what_is_left_is_a_true_beginning_that_says_something(text: str) -> None:
    for left in (shorter(text), one_line(text)):
        assert left is None or (text.startswith(left) and len(left) < len(text) and left.strip())


@pytest_lsp.fixture(config=ClientServerConfig(server_command=[sys.executable, "-m", "lsp_server", "lsp", "--stdio"]))
async def client(lsp_client: LanguageClient) -> AsyncIterator[None]:
    await lsp_client.initialize_session(
        types.InitializeParams(capabilities=types.ClientCapabilities(), initialization_options={"deadline_ms": 30_000.0})
    )
    lsp_client.text_document_did_open(types.DidOpenTextDocumentParams(types.TextDocumentItem(URI, "python", 1, TEXT)))
    yield
    await lsp_client.shutdown_session()


END = types.Position(TEXT.count("\n"), 0)


async def asked(client: LanguageClient, at: types.Position = END) -> list[str]:
    found = await client.text_document_inline_completion_async(
        types.InlineCompletionParams(
            types.InlineCompletionContext(types.InlineCompletionTriggerKind.Invoked), types.TextDocumentIdentifier(URI), at
        )
    )
    return [str(item.insert_text) for item in found.items]


async def reshaped(client: LanguageClient, how: str, *more: object, at: types.Position = END) -> dict[str, object]:
    found = await client.workspace_execute_command_async(types.ExecuteCommandParams("quickfill.reshape", [URI, at, how, *more]))
    assert isinstance(found, dict)
    return found


@pytest.mark.asyncio
async def test_longer_goes_on_where_the_suggestion_ends_and_shorter_comes_back(client: LanguageClient) -> None:
    first = (await asked(client))[0]
    assert await reshaped(client, "longer") == {"changes": 1, "reason": None}
    (longer,) = await asked(client)
    assert longer.startswith(first)
    assert longer[len(first) :].strip()
    while (await reshaped(client, "shorter"))["changes"]:
        (now,) = await asked(client)
        assert longer.startswith(now)
        assert len(now) < len(longer)
        longer = now
    assert len(longer.split()) == 1
    assert (await reshaped(client, "shorter"))["reason"] == "the suggestion is as short as it can be"


@pytest.mark.asyncio
async def test_the_one_that_is_shown_is_the_one_that_changes(client: LanguageClient) -> None:
    candidates = await asked(client)
    assert len(candidates) > 1
    assert (await reshaped(client, "shorter", candidates[1]))["changes"] == 1
    assert candidates[1].startswith((await asked(client))[0])
    assert (await reshaped(client, "shorter", "what nobody suggested"))["reason"] == "nothing is suggested here"


@pytest.mark.asyncio
async def test_who_types_along_with_it_keeps_it(client: LanguageClient) -> None:
    await asked(client)
    await reshaped(client, "longer")
    (longer,) = await asked(client)
    typed = types.TextDocumentContentChangePartial(types.Range(END, END), longer[0])
    identifier = types.VersionedTextDocumentIdentifier(uri=URI, version=2)
    client.text_document_did_change(types.DidChangeTextDocumentParams(identifier, [typed]))
    assert await asked(client, types.Position(END.line, 1)) == [longer[1:]]


@pytest.mark.asyncio
async def test_what_cannot_be_done_is_said(client: LanguageClient) -> None:
    assert (await reshaped(client, "longer"))["reason"] == "nothing is suggested here"
    with pytest.raises(JsonRpcException, match="longer, shorter, line: one of these is needed, got 'wider'"):
        await reshaped(client, "wider")
    for arguments in ([URI], [URI, END], [1, END, "line"], [URI, "here", "line"], [URI, END, "line", 5]):
        with pytest.raises(JsonRpcException):
            await client.workspace_execute_command_async(types.ExecuteCommandParams("quickfill.reshape", list(arguments)))
    elsewhere = ["file:///nowhere.py", END, "line"]
    found = await client.workspace_execute_command_async(types.ExecuteCommandParams("quickfill.reshape", elsewhere))
    assert found["reason"] == "the document is not open"
