"""A server that says what a script tells it, so that a test in the editor can expect exact text.

Knows the protocol and its script, a JSON file that is read anew for each question. Knows no model.
Use: scripted_server.py SCRIPT lsp

    name, version   what the server says it is; "quickfill" and "0.1.0" if left out
    suggestions     {"text before the cursor": [continuation, ...]}: while one is typed along, its rest is suggested
    reason          why there was nothing, for `quickfill.status`
    ready           false: the model is being loaded
    holes           what `quickfill.fillHoles` writes for each `___`
    explanation     what `quickfill.explain` returns
    reshaped        {"longer": suggestions, ...}: what is suggested from then on, once `quickfill.reshape` was asked for that
    next            {"old": "new"}: for `quickfill.nextEdit`, the first of these old texts that stands in the file
    elsewhere       {"name": {"old": "new"}}: the same in other files of the folder, which come behind it
    report          what `quickfill.report` returns
    problems        [{"line", "character", "length", "message", "severity"}, ...] in each file that is opened from then on
    repaired        what `quickfill.repair` writes for a problem
    pause           seconds before each answer
    mute            true: questions are never answered again

Each question is written as one line of JSON to SCRIPT.log, with the process that was asked.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.workspace import TextDocument

SCRIPT = Path(sys.argv[1])


def script() -> dict[str, object]:
    found: dict[str, object] = json.loads(SCRIPT.read_text("utf-8"))
    return found


def told(**asked: object) -> dict[str, object]:
    """Writes down what was asked; returns what the script says now, unless it says to fall silent."""
    with SCRIPT.with_suffix(".log").open("a", encoding="utf-8") as log:
        log.write(json.dumps({"pid": os.getpid(), **asked}, default=vars) + "\n")
    says = script()
    if says.get("mute"):
        threading.Event().wait()
    time.sleep(float(str(says.get("pause", 0))))
    return says


def continuations(suggestions: dict[str, list[str]], before: str, typed: str = "") -> list[str]:
    """What follows `before`, where `typed` is the part of it that is being replaced: answers begin with that part."""
    found = []
    for beginning, offered in suggestions.items():
        for text in offered:
            shared = next((n for n in range(len(text)) if before.endswith(beginning + text[:n])), None)
            if shared is not None:
                found.append(typed + text[shared:])
    return found


reshaped_how = [""]  # what was asked for last
server = LanguageServer(str(script().get("name", "quickfill")), str(script().get("version", "0.1.0")))


def text_before(document: TextDocument, position: types.Position) -> str:
    return document.source[: document.offset_at_position(position)]


@server.feature(types.TEXT_DOCUMENT_DID_OPEN)
def opened(params: types.DidOpenTextDocumentParams) -> None:
    says = told(event="open", file=Path(params.text_document.uri).name)
    problems = says.get("problems", [])
    assert isinstance(problems, list)
    server.text_document_publish_diagnostics(
        types.PublishDiagnosticsParams(params.text_document.uri, [problem_at(**problem) for problem in problems])
    )


def problem_at(line: int, character: int, length: int, message: str, severity: int) -> types.Diagnostic:
    place = types.Range(types.Position(line, character), types.Position(line, character + length))
    return types.Diagnostic(place, message, severity=types.DiagnosticSeverity(severity))


@server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions())
def inline_completion(params: types.InlineCompletionParams) -> types.InlineCompletionList:
    document = server.workspace.get_text_document(params.text_document.uri)
    chosen = params.context.selected_completion_info
    place = chosen.range if chosen else types.Range(params.position, params.position)
    typed = chosen.text if chosen else ""
    before = text_before(document, place.start) + typed
    says = told(event="ask", kind=params.context.trigger_kind.name, before=before, chosen=typed)
    suggestions = says.get("reshaped", {}).get(reshaped_how[-1]) or says.get("suggestions", {})  # type: ignore[attr-defined]
    assert isinstance(suggestions, dict)
    texts = continuations(suggestions, before, typed)
    if params.context.trigger_kind == types.InlineCompletionTriggerKind.Automatic:
        texts = texts[:1]
    return types.InlineCompletionList([types.InlineCompletionItem(text, range=place) for text in texts])


@server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)
def configured(params: types.DidChangeConfigurationParams) -> None:
    told(event="settings", settings=params.settings)


@server.command("quickfill.status")
def status(ls: object, *_: object) -> dict[str, object]:
    says = told(event="status")
    return {"ready": says.get("ready", True), "model": "scripted", "reason": says.get("reason")}


@server.command("quickfill.fillHoles")
async def fill_holes(ls: object, *arguments: object) -> dict[str, object]:
    uri, ranges = str(arguments[0]), arguments[1]
    says = told(event="holes", ranges=ranges)
    document = server.workspace.get_text_document(uri)
    edits = []
    holes = says.get("holes", [])
    assert isinstance(holes, list)
    for line, text in enumerate(document.source.split("\n")):
        if "___" in text and holes:
            at = text.index("___")
            edits.append(types.TextEdit(types.Range(types.Position(line, at), types.Position(line, at + 3)), holes.pop(0)))
    if not edits:
        return {"changes": 0, "reason": "there is no hole"}
    await server.workspace_apply_edit_async(types.ApplyWorkspaceEditParams(types.WorkspaceEdit(changes={uri: edits})))
    return {"changes": len(edits), "reason": None}


@server.command("quickfill.reshape")
def reshape(ls: object, *arguments: object) -> dict[str, object]:
    position, how = arguments[1], str(arguments[2])
    says = told(event="reshape", position=position, how=how)
    if how not in says.get("reshaped", {}):  # type: ignore[operator]
        return {"changes": 0, "reason": "the suggestion is as short as it can be"}
    reshaped_how.append(how)
    return {"changes": 1, "reason": None}


@server.command("quickfill.nextEdit")
def next_edit(ls: object, *arguments: object) -> dict[str, object]:
    says = told(event="next edit", elsewhere=arguments[1:] == (True,))
    asked = Path(server.workspace.get_text_document(str(arguments[0])).path)
    wanted: dict[str, dict[str, str]] = {asked.name: says.get("next", {}), **says.get("elsewhere", {})}  # type: ignore[dict-item]
    for name, changes in wanted.items():
        uri = asked.with_name(name).as_uri()
        text = server.workspace.get_text_document(uri).source
        for old, new in changes.items():
            before, found, _ = text.partition(old)
            if found:
                line, character = before.count("\n"), len(before.rpartition("\n")[2])
                place = types.Range(types.Position(line, character), types.Position(line, character + len(old)))
                return {"edit": types.TextEdit(place, new), "uri": uri, "reason": None}
    return {"edit": None, "uri": None, "reason": "it stands nowhere else"}


@server.command("quickfill.repair")
async def repair(ls: object, *arguments: object) -> dict[str, object]:
    place = arguments[1]
    says = told(event="repair", place=place)
    edit = types.TextEdit(server.protocol._converter.structure(place, types.Range), str(says["repaired"]))
    changes = types.WorkspaceEdit(changes={str(arguments[0]): [edit]})
    await server.workspace_apply_edit_async(types.ApplyWorkspaceEditParams(changes))
    return {"changes": 1, "reason": None}


@server.command("quickfill.report")
def report(ls: object, *_: object) -> str:
    return str(told(event="report").get("report"))


@server.command("quickfill.explain")
def explain(ls: object, *_: object) -> str:
    return str(told(event="explain").get("explanation"))


if __name__ == "__main__":
    told(event="start", arguments=sys.argv[2:], token=os.environ.get("QUICKFILL_TOKEN"), cwd=str(Path.cwd()))
    server.start_io()
