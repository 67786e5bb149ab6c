"""A language server that answers what a file says, so that a test of an editor can expect exact text.

Knows the protocol and its script; knows no model. Use: scripted_server.py SCRIPT.
The script is JSON, read anew for each question:

    start      "crash" ends the process at once, "hang" never answers, "garbage" writes what is no message; else it runs
    answers    [{"after": the end of the line before the cursor, "items": [{"text", "back", "over"}]}]: the longest `after` wins;
               `back` and `over` say how many characters before and behind the cursor the item replaces
    pause      seconds before each answer
    silent     true: questions are read and never answered
    status     what `quickfill.status` returns
    explain    what `quickfill.explain` returns; without it the command is not offered
    report     what `quickfill.report` returns
    repaired   what `quickfill.repair` writes in the place it is given

Each question, with the file that it is about, is written as one line of JSON to SCRIPT.log.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lsprotocol import types
    from pygls.workspace import TextDocument


def item_at(document: TextDocument, position: types.Position, item: dict[str, str | int]) -> types.InlineCompletionItem:
    """The item at a position that counts characters, in the client's units."""
    from lsprotocol import types

    start = types.Position(position.line, position.character - int(item.get("back", 0)))
    end = types.Position(position.line, position.character + int(item.get("over", 0)))
    place = document.position_codec.range_to_client_units(document.lines, types.Range(start, end))
    return types.InlineCompletionItem(str(item["text"]), range=place)


def misbehave(script: dict[str, str]) -> None:
    if script.get("start") == "crash":
        print("the scripted server was told to crash", file=sys.stderr)
        sys.exit(3)
    if script.get("start") == "hang":
        time.sleep(600)
    if script.get("start") == "garbage":
        print("this is no message\r\n\r\n" * 20, flush=True)


def serve(path: Path, explanation: str | None) -> None:
    from lsprotocol import types  # a server that crashes need not take the time
    from pygls.lsp.server import LanguageServer

    server = LanguageServer("scripted", "1")

    @server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions())
    async def inline_completion(params: types.InlineCompletionParams) -> types.InlineCompletionList:
        script = json.loads(path.read_text())
        document, context = server.workspace.get_text_document(params.text_document.uri), params.context
        position = document.position_codec.position_from_client_units(document.lines, params.position)
        before = document.source.split("\n")[position.line][: position.character]
        chosen = context.selected_completion_info
        asked = {
            "file": params.text_document.uri.rsplit("/", 1)[-1],
            "before": before,
            "kind": context.trigger_kind.name,
            "chosen": chosen.text if chosen else None,
        }
        with path.with_suffix(".log").open("a") as log:
            log.write(json.dumps(asked) + "\n")
        await asyncio.sleep(script.get("pause", 0))
        if script.get("silent"):
            await asyncio.sleep(600)
        fitting = [answer for answer in script.get("answers", []) if before.endswith(answer["after"])]
        best = max(fitting, key=lambda answer: len(answer["after"]), default={"items": []})
        return types.InlineCompletionList([item_at(document, position, item) for item in best["items"]])

    @server.command("quickfill.status")
    def status(*_: object) -> dict[str, str | bool | None]:
        told: dict[str, str | bool | None] = json.loads(path.read_text()).get(
            "status", {"ready": True, "model": "scripted", "reason": None}
        )
        return told

    @server.command("quickfill.report")
    def report(ls: object, *arguments: object) -> str:
        return f"{json.loads(path.read_text())['report']} ({arguments[0]} days)"

    @server.command("quickfill.repair")
    async def repair(ls: object, *arguments: object) -> dict[str, int | None]:
        place = server.protocol._converter.structure(arguments[1], types.Range)
        edit = types.TextEdit(place, json.loads(path.read_text())["repaired"])
        changes = types.WorkspaceEdit(changes={str(arguments[0]): [edit]})
        await server.workspace_apply_edit_async(types.ApplyWorkspaceEditParams(changes))
        return {"changes": 1, "reason": None}

    if explanation is not None:

        @server.command("quickfill.explain")
        def explain(*_: object) -> str:
            return explanation

    server.start_io()


if __name__ == "__main__":
    first_reading = json.loads(Path(sys.argv[1]).read_text())
    misbehave(first_reading)
    serve(Path(sys.argv[1]), first_reading.get("explain"))
