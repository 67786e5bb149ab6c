"""Commands and code actions: what a person asks for by name, as protocol.

Knows positions, ranges and workspace edits. Knows no model: the edits are made by `completion.edits`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams
from pygls.workspace import TextDocument

from lsp_server.completion.edits import Edit, Request, fill_holes, marked_holes, repair, rewrite
from lsp_server.completion.reasons import Kind
from lsp_server.completion.reshape import one_line, shorter
from lsp_server.engine import EngineFailed, Infiller, ServerAway
from lsp_server.positions import offset_at, position_of
from model.infilling.request import Cancelled

if TYPE_CHECKING:
    from lsp_server.server import Quickfill

FILL_HOLES, REWRITE, REPAIR, EXPLAIN, RESHAPE, NEXT_EDIT, REPORT = (
    "quickfill.fillHoles",
    "quickfill.rewriteSelection",
    "quickfill.repair",
    "quickfill.explain",
    "quickfill.reshape",
    "quickfill.nextEdit",
    "quickfill.report",
)
INLINE_EDIT = "textDocument/copilotInlineEdit"  # what some clients call the request for a next edit
LONGER = "longer"
SHORTENED = {"shorter": shorter, "line": one_line}
CODE_ACTIONS = types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix, types.CodeActionKind.RefactorRewrite])
_CHANGED = "the document changed meanwhile"
_CHANGED_DURING_EDIT = "the document changed while the edit was made"
MOST_REPAIRS = 5  # offered for one place

Answer = dict[str, int | str | None]  # "changes": how many places changed; "reason": why none did
Result = TypeVar("Result")
Span = tuple[int, int]  # offsets in a text


def edit_of(document: str) -> str:
    """The session in which a document is edited by a command: no suggestion that the editor asks for unasked stops it."""
    return f"{document}#edit"


def register_commands(server: Quickfill) -> None:
    def structured(value: object, kind: type[Result]) -> Result:
        """Raises JsonRpcInvalidParams for what is no such thing."""
        try:
            if kind is str and not isinstance(value, str):
                raise TypeError(f"expected a text, got {type(value).__name__}")
            found: Result = server.protocol._converter.structure(value, kind)
            return found
        except Exception as error:  # whatever the converter stumbles over
            raise JsonRpcInvalidParams(f"a bad argument: {error}") from None

    def two(arguments: Sequence[object], kind: type[Result]) -> tuple[str, Result]:
        if len(arguments) != 2:
            raise JsonRpcInvalidParams(f"two arguments are needed, a document's URI and a place; got {len(arguments)}")
        return structured(arguments[0], str), structured(arguments[1], kind)

    async def change(
        uri: str, ranges: Sequence[types.Range] | None, make: Callable[[Request, str, Sequence[Span]], Edit], label: str
    ) -> Answer:
        """Makes an edit on the engine's thread and has the client apply it, if the document is still the same.

        `make` gets the text and the places in it that the ranges name; without ranges, those of every `___`.
        """
        document = server.workspace.text_documents.get(uri)
        if document is None:
            return _nothing("the document is not open")
        if (silence := server.refusal(document)) is not None:
            return _nothing(silence.sentence)
        text, version = document.source, document.version

        def work(engine: Infiller, cancelled: Callable[[], bool]) -> Edit:
            return make(Request(engine, server.settings, edit_of(uri), cancelled, other_files, project), text, spans)

        try:
            spans = marked_holes(text) if ranges is None else _spans(document, ranges)
            other_files, project = server.other_files(uri, text, spans[0][0] if spans else 0), server.project_of(uri)
            edit = await server.run(edit_of(uri), work)
        except Cancelled:
            changed = document.source != text
            return _nothing(_CHANGED_DURING_EDIT if changed else "a newer request took this one's place")
        except (EngineFailed, ServerAway, ValueError) as error:
            return _nothing(str(error))
        if not edit.changes:
            return _nothing(edit.reason or "the model suggests nothing here")
        if document.source != text:
            return _nothing(_CHANGED_DURING_EDIT)
        applied = await server.workspace_apply_edit_async(
            types.ApplyWorkspaceEditParams(_workspace_edit(document, version, edit, _knows_versions(server)), label)
        )
        if not applied.applied:
            return _nothing(f"the editor refused the edit{f': {applied.failure_reason}' if applied.failure_reason else ''}")
        return {"changes": len(edit.changes), "reason": None}

    @server.command(FILL_HOLES)
    async def fill(ls: object, *arguments: object) -> Answer:
        """Arguments: a document's URI, and the ranges to fill; without them, or with null, every `___` is filled."""
        uri, *given = arguments or (None,)
        ranges = [structured(one, types.Range) for one in _listed(given[0])] if given and given[0] is not None else None
        return await change(structured(uri, str), ranges, fill_holes, "Fill the holes")

    @server.command(REWRITE)
    async def rewrite_selection(ls: object, *arguments: object) -> Answer:
        uri, selection = two(arguments, types.Range)

        def make(request: Request, text: str, spans: Sequence[Span]) -> Edit:
            return rewrite(request, text, *spans[0])

        return await change(uri, [selection], make, "Rewrite the selection")

    @server.command(REPAIR)
    async def repair_place(ls: object, *arguments: object) -> Answer:
        uri, place = two(arguments, types.Range)

        def make(request: Request, text: str, spans: Sequence[Span]) -> Edit:
            return repair(request, text, *spans[0])

        return await change(uri, [place], make, "Repair the problem")

    @server.command(EXPLAIN)
    async def explain_place(ls: object, *arguments: object) -> str:
        uri, position = two(arguments, types.Position)
        from lsp_server.context.explain import explain, kept_out
        from model.checkpoints.store import load_tokenizer

        document = server.workspace.text_documents.get(uri)
        if document is None:
            return "The document is not open.\n"
        if (silence := server.refusal(document)) is not None and silence.kind is Kind.IGNORED:
            return kept_out(document.source, silence.sentence).as_markdown()
        tokenizer, offset = load_tokenizer(server.settings.model), offset_at(document, position)
        found = explain(tokenizer, document.source, offset, piece=server.neighbour(uri, document.source, offset))
        return replace(found, copied_from=server.copied_from(uri)).as_markdown()

    @server.command(RESHAPE)
    async def reshape(ls: object, *arguments: object) -> Answer:
        """Arguments: a document's URI, the cursor, `longer`, `shorter` or `line`, and what is shown, if the client knows it.

        The client then asks for suggestions again, and gets what has become of this one.
        """
        uri, position = two(arguments[:2], types.Position)
        how = structured(arguments[2], str) if len(arguments) > 2 else ""
        known = structured(arguments[3], str) if len(arguments) > 3 and arguments[3] is not None else None
        if how != LONGER and how not in SHORTENED:
            raise JsonRpcInvalidParams(f"{', '.join([LONGER, *SHORTENED])}: one of these is needed, got {how!r}")
        document = server.workspace.text_documents.get(uri)
        if document is None:
            return _nothing("the document is not open")
        if (silence := server.refusal(document)) is not None:
            return _nothing(silence.sentence)
        try:
            reason = await server.reshape(document, position, known, SHORTENED.get(how))
        except Cancelled:
            return _nothing("a newer request took this one's place")
        except (EngineFailed, ServerAway, ValueError) as error:
            return _nothing(str(error))
        return {"changes": 0 if reason else 1, "reason": reason}

    @server.command(NEXT_EDIT)
    async def propose(ls: object, *arguments: object) -> dict[str, types.TextEdit | str | None]:
        """Arguments: a document's URI, and whether other files count, too; false if left out.

        `edit`: what its newest change calls for, in the document that `uri` names; null: `reason` says why.
        """
        if len(arguments) not in (1, 2):
            raise JsonRpcInvalidParams(f"a document's URI is needed, and perhaps true or false; got {len(arguments)} arguments")
        if len(arguments) == 2 and not isinstance(arguments[1], bool):
            raise JsonRpcInvalidParams(f"a bad argument: expected true or false, got {arguments[1]!r}")
        found = await proposed(structured(arguments[0], str), arguments[1:] == (True,))
        if isinstance(found, str):
            return {"edit": None, "uri": None, "reason": found}
        uri, edit = found
        return {"edit": edit, "uri": uri, "reason": None}

    @server.command(REPORT)
    def report(ls: object, *arguments: object) -> str:
        """Argument: of how many days, 30 if left out. What became of the suggestions on this machine, as a document."""
        from lsp_server.acceptance import report, store

        days = structured(arguments[0], int) if arguments and arguments[0] is not None else report.USUAL_DAYS
        if days < 1:
            raise JsonRpcInvalidParams(f"a number of days is needed, got {days}")
        try:
            document = report.read(store.usual_place(), days).as_markdown()
        except store.StoreError as error:
            return f"There is no report: {error}.\n"
        return document if server.store is not None else document + "\nNothing is written down now: `acceptance_log` is off.\n"

    @server.feature(INLINE_EDIT)
    async def inline_edit(ls: object, params: object) -> dict[str, list[dict[str, object]]]:
        """`{edits: [{text, range, textDocument: {uri, version}}]}` for the document that the request names."""
        named = params.get("textDocument") if isinstance(params, dict) else None
        uri = structured(named, types.TextDocumentIdentifier).uri
        found = await proposed(uri)
        if isinstance(found, str):
            return {"edits": []}
        _, edit = found
        version = server.workspace.text_documents[uri].version
        return {"edits": [{"text": edit.new_text, "range": edit.range, "textDocument": {"uri": uri, "version": version}}]}

    async def proposed(uri: str, elsewhere: bool = False) -> tuple[str, types.TextEdit] | str:
        document = server.workspace.text_documents.get(uri)
        if document is None:
            return "the document is not open"
        if (silence := server.refusal(document)) is not None:
            return silence.sentence
        text = document.source
        try:
            found = await server.next_edit(document, elsewhere)
        except Cancelled:
            return _CHANGED
        except (EngineFailed, ServerAway, ValueError) as error:
            return str(error)
        if isinstance(found, str):
            return found
        where, edit = found
        place = types.Range(position_of(where, edit.start), position_of(where, edit.end))
        return (where.uri, types.TextEdit(place, edit.new)) if document.source == text else _CHANGED

    @server.feature(types.TEXT_DOCUMENT_CODE_ACTION, CODE_ACTIONS)
    def code_actions(params: types.CodeActionParams) -> list[types.CodeAction]:
        document = server.workspace.text_documents.get(params.text_document.uri)
        if document is None or server.refusal(document) is not None:
            return []
        return actions_at(document, params.range, params.context.diagnostics)


def actions_at(document: TextDocument, place: types.Range, diagnostics: Sequence[types.Diagnostic]) -> list[types.CodeAction]:
    """What can be asked for at a place. Nothing is computed before it is chosen."""
    uri = document.uri
    start, end = offset_at(document, place.start), offset_at(document, place.end)
    actions = [
        _action(f"Quickfill: repair “{diagnostic.message.splitlines()[0][:60]}”", REPAIR, uri, diagnostic.range, diagnostic)
        for diagnostic in diagnostics[:MOST_REPAIRS]
        if diagnostic.message.strip()
    ]
    holes = marked_holes(document.source)
    if any(hole_start <= end and start <= hole_end for hole_start, hole_end in holes):
        title = "Quickfill: fill the hole" if len(holes) == 1 else f"Quickfill: fill all {len(holes)} holes"
        actions.append(_action(title, FILL_HOLES, uri, None))
    if document.source[start:end].strip():
        actions.append(_action("Quickfill: rewrite the selection", REWRITE, uri, place))
    return actions


def _action(
    title: str, command: str, uri: str, place: types.Range | None, diagnostic: types.Diagnostic | None = None
) -> types.CodeAction:
    return types.CodeAction(
        title,
        kind=types.CodeActionKind.QuickFix if diagnostic else types.CodeActionKind.RefactorRewrite,
        diagnostics=[diagnostic] if diagnostic else None,
        command=types.Command(title, command, arguments=[uri, place]),
    )


def _listed(value: object) -> list[object]:
    if not isinstance(value, list):
        raise JsonRpcInvalidParams(f"a list of ranges is needed, got {type(value).__name__}")
    return value


def _spans(document: TextDocument, ranges: Sequence[types.Range]) -> list[Span]:
    """Raises ValueError for a range that ends before it begins."""
    spans = [(offset_at(document, one.start), offset_at(document, one.end)) for one in ranges]
    if any(start > end for start, end in spans):
        raise ValueError("a range ends before it begins")
    return spans


def _knows_versions(server: Quickfill) -> bool:
    workspace = server.client_capabilities.workspace
    return bool(workspace and workspace.workspace_edit and workspace.workspace_edit.document_changes)


def _workspace_edit(document: TextDocument, version: int | None, edit: Edit, versions: bool) -> types.WorkspaceEdit:
    """With a version, a client that knows them refuses the edit of a text that has changed since."""
    edits = [
        types.TextEdit(types.Range(position_of(document, change.start), position_of(document, change.end)), change.text)
        for change in edit.changes
    ]
    if not versions:
        return types.WorkspaceEdit(changes={document.uri: edits})
    identifier = types.OptionalVersionedTextDocumentIdentifier(document.uri, version)
    return types.WorkspaceEdit(document_changes=[types.TextDocumentEdit(identifier, edits)])


def _nothing(reason: str) -> Answer:
    return {"changes": 0, "reason": reason}
