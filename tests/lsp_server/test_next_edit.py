"""After a change, the server proposes where else the same one is called for, and says why if it proposes nothing."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_lsp
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pytest_lsp import ClientServerConfig, LanguageClient

from lsp_server.completion.next_edit import (
    Change,
    NextEdit,
    Recent,
    change_between,
    files_with,
    next_edit,
    next_edit_elsewhere,
    places,
)
from lsp_server.context.project import SourceFile
from lsp_server.engine import Infiller
from model.infilling.alike import names_in
from model.infilling.request import Candidate, Infilling, InfillRequest

URI = "file:///project/account.py"
TEXT = """class Account:
    def __init__(self, owner, amount):
        self.owner = owner
        self.amount = amount

    def deposit(self, amount):
        self.amount += amount

    def amounts(self):
        return [self.amount]
"""


class Agreeing:
    """An engine that prefers the new text wherever the line of the place holds one of these words."""

    def __init__(self, *words: str) -> None:
        self.words, self.asked = words, 0
        self.seen: list[str] = []  # of other files
        self.parts: list[str] = []

    def infill(self, request: InfillRequest, session: str = "", cancelled: object = None) -> Infilling:
        self.asked += 1
        self.seen += request.other_files
        self.parts += request.parts
        line = request.parts[0].rpartition("\n")[2]
        likes = any(word in line for word in self.words)
        return Infilling(tuple(Candidate((text,), float(likes == (n == 0))) for n, text in enumerate(request.given)), None, 1, 1)


def proposed(engine: Agreeing, text: str, change: Change) -> NextEdit | None:
    return next_edit(cast(Infiller, engine), text, change)


@pytest.mark.parametrize(
    ("before", "after", "old", "new"),
    [
        ("total = price", "total = cost", "price", "cost"),
        ("total = price", "total = prices", "price", "prices"),
        ("read(path)", "read(path, mode)", "path", "path, mode"),
        ("read()", "read(path)", "read(", "read(path"),
        ("self.x = 1", "self.x = 2", "self.x = 1", "self.x = 2"),
        ("a.name_of(b)", "a.title_of(b)", "name_of", "title_of"),
        ("größe = 1", "größen = 1", "größe", "größen"),
    ],
)
def test_a_change_is_whole_words_and_says_something(before: str, after: str, old: str, new: str) -> None:
    found = change_between(f"# above\n{before}\n# below", f"# above\n{after}\n# below")
    assert found is not None
    assert (found.old, found.new) == (old, new)


@pytest.mark.parametrize(
    ("before", "after"),
    [("a = 1", "a = 1"), ("a = 1", "b = 1"), ("value = 1", "value = 1\nx"), ("name", ""), ("value = 1", f"value = {'x' * 99}")],
)
def test_some_changes_are_not_looked_for_elsewhere(before: str, after: str) -> None:
    assert change_between(f"\n{before}\n", f"\n{after}\n") is None


WORDS = st.lists(st.sampled_from(["name", "value", "x", " ", "(", ")", ".", "\n", "é"]), max_size=12).map("".join)


@given(WORDS, WORDS, WORDS, WORDS)
def test_a_change_turns_the_one_text_into_the_other(head: str, old: str, new: str, tail: str) -> None:
    before, after = head + old + tail, head + new + tail
    found = change_between(before, after)
    if found is not None:
        assert before[found.at :].startswith(found.old)
        assert before[: found.at] + found.new + before[found.at + len(found.old) :] == after
        for place in places(after, found):
            assert after[place : place + len(found.old)] == found.old


def test_the_same_words_are_looked_for_below_first_and_never_inside_others() -> None:
    text = "size = 1\nsizes = 2\nlength = size\nsize_of = 3\nprint(size, size)\n"
    found = places(text, Change("size", "length", text.index("length")))
    assert [text[at : at + 5] for at in found] == ["size\n", "size,", "size)", "size "]


def test_two_words_do_not_become_one() -> None:
    text = "read(path)\nread()\nread(other)\n"
    (found,) = places(text, Change("read(", "read(path", 0))
    assert text[found:].startswith("read()\n")


def test_what_was_typed_key_by_key_is_one_change() -> None:
    recent = Recent(TEXT)
    text = TEXT
    at = text.index("amount):")
    for end in range(len("amount"), 0, -1):  # taken back, letter by letter
        text = text[: at + end - 1] + text[at + end :]
        recent.edited(text)
    for number, key in enumerate("balance"):
        text = text[: at + number] + key + text[at + number :]
        recent.edited(text)
    assert recent.change() == Change("amount", "balance", at)


def test_a_change_in_another_line_and_the_same_one_again_are_new_ones() -> None:
    recent = Recent("one(name)\ntwo(name, name)\n")
    recent.edited("one(title)\ntwo(name, name)\n")
    recent.edited("one(title)\ntwo(title, name)\n")
    assert recent.change() == Change("name", "title", 15)
    recent.edited("one(title)\ntwo(title, title)\n")
    assert recent.change() == Change("name", "title", 22)
    recent.edited("one(title)\ntwo(title, other)\n")  # in the same line, and something else
    assert recent.change() == Change("name", "other", 22)
    recent.edited("one(title)\ntwo(title, title)\n")
    recent.edited("one(title)\ntwo(title, name)\n")
    assert recent.change() is None


def test_the_nearest_place_in_which_the_model_agrees_is_proposed() -> None:
    change = change_between(TEXT, TEXT.replace("owner, amount)", "owner, balance)"))
    assert change is not None
    text = TEXT.replace("owner, amount)", "owner, balance)")
    engine = Agreeing("self.")
    found = proposed(engine, text, change)
    assert found is not None
    assert text[found.start : found.end] == "amount"
    assert text[: found.start].endswith("self.")
    assert engine.asked == 1
    assert proposed(Agreeing(), text, change) is None


def test_a_secret_is_neither_shown_to_the_model_nor_proposed() -> None:
    key = "sk-proj-9aB3xQ7LmN2pR5tV8wY1zC4dF6gH0jKq"
    text = f'name = "{key}"\nother = name\napi_key = "{key}"\n'
    engine = Agreeing("")
    assert proposed(engine, text, Change("name_of", key, text.index(key))) is None
    assert engine.asked == 0


def file(name: str, text: str) -> SourceFile:
    return SourceFile(Path(name), name, text, names_in(text))


RENAMED = Change("amount", "balance", TEXT.index("amount"))
BANK = "def show(account):\n    print(account.owner, account.amount)\n"


def test_other_files_with_the_same_words_come_in_the_order_of_what_they_have_in_common() -> None:
    others = [file("a.py", "amounts = amount_of(1)\n"), file("b.py", "amount = 1\n"), file("c.py", BANK)]
    assert [one.name for one in files_with(others, TEXT, RENAMED)] == ["c.py", "b.py"]


def test_another_file_is_proposed_where_the_model_agrees_and_it_sees_the_change() -> None:
    engine, others = Agreeing("print"), [file("b.py", "amount = 1\n"), file("c.py", BANK)]
    found = next_edit_elsewhere(cast(Infiller, engine), TEXT, "account.py", RENAMED, others)
    assert found is not None
    assert (found[0].name, BANK[found[1].start : found[1].end], found[1].new) == ("c.py", "amount", "balance")
    assert [one.startswith("# account.py\n") and "self.owner = owner" in one for one in engine.seen] == [True, True]
    assert next_edit_elsewhere(cast(Infiller, Agreeing("nothing")), TEXT, "account.py", RENAMED, others) is None


def test_no_secret_of_either_file_is_shown_to_the_model_or_proposed() -> None:
    key = "AKIA" + "QWJ4ZD2XN7PLR5TB"
    engine = Agreeing("")
    others = [file("b.py", f'{key} = 1\namount = "{key}"\n')]
    assert next_edit_elsewhere(cast(Infiller, engine), TEXT + f'key = "{key}"\n', "account.py", RENAMED, others) is not None
    assert not any(key in text for text in (*engine.seen, *engine.parts))
    asked_before = engine.asked
    assert next_edit_elsewhere(cast(Infiller, engine), TEXT, "account.py", Change(key, "amount", RENAMED.at), others) is None
    assert engine.asked == asked_before


@pytest_lsp.fixture(config=ClientServerConfig(server_command=[sys.executable, "-m", "lsp_server", "lsp", "--stdio"]))
async def client(lsp_client: LanguageClient) -> AsyncIterator[None]:
    await lsp_client.initialize_session(types.InitializeParams(capabilities=types.ClientCapabilities()))
    lsp_client.text_document_did_open(types.DidOpenTextDocumentParams(types.TextDocumentItem(URI, "python", 1, TEXT)))
    yield
    await lsp_client.shutdown_session()


def change(client: LanguageClient, version: int, place: types.Range, text: str) -> None:
    client.text_document_did_change(
        types.DidChangeTextDocumentParams(
            types.VersionedTextDocumentIdentifier(uri=URI, version=version),
            [types.TextDocumentContentChangePartial(place, text)],
        )
    )


async def asked(client: LanguageClient, *arguments: object) -> dict[str, Any]:
    command = types.ExecuteCommandParams("quickfill.nextEdit", list(arguments))
    return cast(dict[str, Any], await client.workspace_execute_command_async(command))


@pytest.mark.asyncio
async def test_a_renamed_attribute_is_renamed_everywhere_proposal_by_proposal(client: LanguageClient) -> None:
    """With the model that ships: from one change to the next, each in a text that really stands there."""
    lines = TEXT.split("\n")
    place = types.Range(types.Position(3, 13), types.Position(3, 19))
    version, new = 2, "balance"
    proposals = 0
    while True:
        row = lines[place.start.line]
        assert row[place.start.character : place.end.character] == "amount"
        lines[place.start.line] = row[: place.start.character] + new + row[place.end.character :]
        change(client, version, place, new)
        found = await asked(client, URI)
        if found["edit"] is None:
            break
        assert found["uri"] == URI
        inline = await client.protocol.send_request_async(
            "textDocument/copilotInlineEdit", {"textDocument": {"uri": URI, "version": version}, "position": place.start}
        )
        (edit,) = inline.edits
        assert (edit.text, edit.textDocument.version) == (found["edit"]["newText"], version)
        version, proposals, new = version + 1, proposals + 1, found["edit"]["newText"]
        ends = found["edit"]["range"]
        place = types.Range(types.Position(**ends["start"]), types.Position(**ends["end"]))
    assert proposals >= 1
    assert "in the other places" in found["reason"] or "nowhere else" in found["reason"]


@pytest.mark.asyncio
async def test_why_nothing_is_proposed_is_said(client: LanguageClient) -> None:
    nothing = "nothing was changed lately that could be changed elsewhere, too"
    assert await asked(client, URI) == {"edit": None, "uri": None, "reason": nothing}
    start = types.Position(0, 6)
    change(client, 2, types.Range(start, types.Position(0, 13)), "Purse")
    assert (await asked(client, URI))["reason"] == "`Account` stands nowhere else in this file"
    assert (await asked(client, "file:///nowhere.py"))["reason"] == "the document is not open"
    for arguments in ([], [1], [URI, URI], [URI, 1], [URI, True, True]):
        with pytest.raises(JsonRpcException):
            await asked(client, *arguments)
    inline = await client.protocol.send_request_async("textDocument/copilotInlineEdit", {"textDocument": {"uri": URI}})
    assert inline.edits == []
