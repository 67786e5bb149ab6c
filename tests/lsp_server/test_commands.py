"""Commands and code actions, asked for by a real client over standard input and output, which applies the edits itself."""

from __future__ import annotations

import ast
import asyncio
import sys
from collections.abc import AsyncIterator

import pytest
import pytest_lsp
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types
from pygls.workspace import PositionCodec, TextDocument
from pytest_lsp import ClientServerConfig, LanguageClient

from lsp_server.positions import offset_at, position_of

URI = "file:///project/account.py"
TEXT = """class Account:
    def __init__(self, owner, balance):
        self.owner = ___
        self.balance = ___  # "😀é"

    def deposit(self, amount):
        self.balance += ___
        return self.balance
"""


@pytest_lsp.fixture(config=ClientServerConfig(server_command=[sys.executable, "-m", "lsp_server", "lsp", "--stdio"]))
async def client(lsp_client: LanguageClient) -> AsyncIterator[None]:
    workspace = types.WorkspaceClientCapabilities(
        apply_edit=True, workspace_edit=types.WorkspaceEditClientCapabilities(document_changes=True)
    )
    await lsp_client.initialize_session(
        types.InitializeParams(
            capabilities=types.ClientCapabilities(workspace=workspace), initialization_options={"deadline_ms": 30_000.0}
        )
    )
    lsp_client.edits = []
    lsp_client.refuse = False

    @lsp_client.feature(types.WORKSPACE_APPLY_EDIT)
    def apply(params: types.ApplyWorkspaceEditParams) -> types.ApplyWorkspaceEditResult:
        lsp_client.edits.append(params.edit)
        return types.ApplyWorkspaceEditResult(applied=not lsp_client.refuse)

    lsp_client.text_document_did_open(types.DidOpenTextDocumentParams(types.TextDocumentItem(URI, "python", 7, TEXT)))
    yield
    await lsp_client.shutdown_session()


async def command(client: LanguageClient, name: str, *arguments: object) -> object:
    return await client.workspace_execute_command_async(types.ExecuteCommandParams(name, list(arguments)))


def applied(text: str, edit: types.WorkspaceEdit) -> str:
    assert edit.document_changes
    change = edit.document_changes[0]
    assert isinstance(change, types.TextDocumentEdit)
    assert change.text_document.version == 7
    document = TextDocument(URI, text, 7, "python")
    for one in reversed(change.edits):
        assert isinstance(one, types.TextEdit)
        start, end = offset_at(document, one.range.start), offset_at(document, one.range.end)
        text = text[:start] + one.new_text + text[end:]
    return text


async def test_all_holes_are_filled_as_one_edit_of_the_version_that_was_read(client: LanguageClient) -> None:
    answer = await command(client, "quickfill.fillHoles", URI, None)
    assert answer == {"changes": 3, "reason": None}
    filled = applied(TEXT, client.edits[0])
    ast.parse(filled)
    assert "___" not in filled
    assert '# "😀é"' in filled


async def test_chosen_holes_are_filled_and_the_others_stay(client: LanguageClient) -> None:
    hole = {"start": {"line": 3, "character": 23}, "end": {"line": 3, "character": 26}}
    assert (await command(client, "quickfill.fillHoles", URI, [hole]))["changes"] == 1
    filled = applied(TEXT, client.edits[0])
    assert filled.count("___") == 2
    assert "___" not in filled.split("\n")[3]


async def test_a_suggestion_that_the_editor_asks_for_meanwhile_does_not_stop_an_edit(client: LanguageClient) -> None:
    uri, text = "file:///project/many.py", "# values\n" + "".join(f"value_{n} = ___\n" for n in range(40))
    client.text_document_did_open(types.DidOpenTextDocumentParams(types.TextDocumentItem(uri, "python", 1, text)))
    automatic = types.InlineCompletionContext(types.InlineCompletionTriggerKind.Automatic)
    edit = asyncio.create_task(command(client, "quickfill.fillHoles", uri))
    for line, character in ((1, 10), (0, 8), (5, 10)):  # the second is in a comment
        await asyncio.sleep(0.05)
        await client.text_document_inline_completion_async(
            types.InlineCompletionParams(automatic, types.TextDocumentIdentifier(uri), types.Position(line, character))
        )
    assert await edit == {"changes": 40, "reason": None}


async def test_what_cannot_be_edited_is_answered_with_a_reason(client: LanguageClient) -> None:
    assert await command(client, "quickfill.fillHoles", "file:///other.py") == {
        "changes": 0,
        "reason": "the document is not open",
    }
    nothing = {"start": {"line": 4, "character": 0}, "end": {"line": 5, "character": 0}}
    assert (await command(client, "quickfill.rewriteSelection", URI, nothing))["reason"] == "nothing but blanks is selected"
    backwards = {"start": {"line": 4, "character": 0}, "end": {"line": 3, "character": 0}}
    assert (await command(client, "quickfill.repair", URI, backwards))["reason"] == "a range ends before it begins"
    client.refuse = True
    assert "refused" in (await command(client, "quickfill.fillHoles", URI))["reason"]


@pytest.mark.parametrize("arguments", [(), ("x", "y"), (1, 2, 3), (URI, {"start": 1})])
async def test_wrong_arguments_are_an_error_and_the_server_goes_on(client: LanguageClient, arguments: tuple[object, ...]) -> None:
    with pytest.raises(Exception, match=r"(?i)invalid|argument|parameter"):
        await command(client, "quickfill.repair", *arguments)
    assert (await command(client, "quickfill.fillHoles", URI))["changes"] == 3


async def test_code_actions_are_offered_where_they_make_sense(client: LanguageClient) -> None:
    diagnostic = types.Diagnostic(types.Range(types.Position(7, 8), types.Position(7, 14)), "undefined name\nsecond line")

    async def titles(line: int, start: int, end: int, *diagnostics: types.Diagnostic) -> list[str]:
        place = types.Range(types.Position(line, start), types.Position(line, end))
        context = types.CodeActionContext(list(diagnostics))
        found = await client.text_document_code_action_async(
            types.CodeActionParams(types.TextDocumentIdentifier(URI), place, context)
        )
        return [action.title for action in found or []]

    assert await titles(4, 0, 0) == []
    assert await titles(2, 22, 22) == ["Quickfill: fill all 3 holes"]
    assert await titles(7, 8, 14) == ["Quickfill: rewrite the selection"]
    assert (await titles(7, 8, 14, diagnostic))[0] == "Quickfill: repair “undefined name”"


async def test_a_place_is_explained_as_a_document(client: LanguageClient) -> None:
    explained = await command(client, "quickfill.explain", URI, {"line": 6, "character": 10})
    assert isinstance(explained, str)
    assert explained.startswith("# What the model sees here")


async def test_the_report_is_a_document(client: LanguageClient) -> None:
    document = await command(client, "quickfill.report")
    assert isinstance(document, str)
    assert document.startswith("# What became of the suggestions of the last 30 days")
    week = await command(client, "quickfill.report", 7)
    assert isinstance(week, str)
    assert "the last 7 days" in week


@pytest.mark.parametrize("days", [0, "many", [7]])
async def test_a_report_of_no_number_of_days_is_refused(client: LanguageClient, days: object) -> None:
    with pytest.raises(Exception, match=r"(?i)day|argument"):
        await command(client, "quickfill.report", days)


@given(st.text(alphabet="ab😀é\n\r", max_size=40), st.sampled_from(list(types.PositionEncodingKind)))
def test_a_place_has_one_name_and_the_name_one_place(text: str, encoding: types.PositionEncodingKind) -> None:
    document = TextDocument(URI, text, position_codec=PositionCodec(encoding))
    for offset in range(len(text) + 1):
        inside_break = 0 < offset < len(text) and text[offset - 1 : offset + 1] == "\r\n"
        if not inside_break:
            assert offset_at(document, position_of(document, offset)) == offset
