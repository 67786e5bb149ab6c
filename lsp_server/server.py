"""The language server: capabilities and handlers.

Knows the protocol, documents and who asked for what. Knows no model: the engine works in its own thread, never on the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from cattrs import Converter
from lsprotocol import converters, types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol
from pygls.uris import to_fs_path
from pygls.workspace import TextDocument

from lsp_server.acceptance.store import Store, usual_place
from lsp_server.acceptance.tracker import Outcome, Tracker
from lsp_server.commands import edit_of, register_commands
from lsp_server.completion.complete import LANGUAGES, Completion, Place, asked_of, complete, unknown_language
from lsp_server.completion.next_edit import MOST_FILES, NextEdit, Recent, files_with, next_edit, next_edit_elsewhere, places
from lsp_server.completion.reasons import Kind, Record, Silence
from lsp_server.completion.shown import Shown, Suggestions, taken
from lsp_server.context import gate
from lsp_server.context.neighbours import Neighbours
from lsp_server.context.project import Project, SourceFile
from lsp_server.context.secrets import without_secrets
from lsp_server.context.similar import Piece, other_files_of
from lsp_server.context.window import sent_window
from lsp_server.engine import EngineFailed, Infiller, ServerAway
from lsp_server.fallback import FallbackEngine
from lsp_server.positions import offset_at
from lsp_server.remote import THREADS, RemoteEngine
from lsp_server.settings import Settings
from lsp_server.shared import CannotShare, SharedEngine
from lsp_server.suggesting import register_popup, register_suggestions
from lsp_server.syntax.grammars import endings_of
from lsp_server.syntax.places import Cursor, cursor_in, quiet
from model.infilling.request import Cancelled

log = logging.getLogger(__name__)

STATUS_COMMAND = "quickfill.status"
STATUS = "quickfill/status"  # a notification, for clients whose experimental capabilities have `quickfillStatus`
LOOK_SECONDS = 10.0  # between two looks at what is left of what was taken
LOADING = "quickfill/loading"  # the token of the progress that is shown meanwhile
PROJECT_PATIENCE = 30.0  # seconds that an engine gets to learn a workspace before it is told again
REST = 4.0  # times as long as it took to look for secrets in a file: who types meanwhile must not wait for it
MOST_TOLD = 6_000_000  # characters of a workspace that suggestions are copied from
Result = TypeVar("Result")


class AnsweringProtocol(LanguageServerProtocol):
    """pygls leaves a request that it cannot read without an answer, and the client waits for ever: here it gets the error."""

    def structure_message(self, data: dict[str, Any]) -> object:
        try:
            return super().structure_message(data)
        except JsonRpcException as error:
            log.error("a message could not be read: %s", data.get("method"))
            if "id" in data and "method" in data:
                self._send_response(data["id"], error=error.to_response_error())
            raise


@dataclass(frozen=True)
class _Ahead:
    """What would be suggested at a place that a document does not have yet."""

    text: str
    offset: int
    found: asyncio.Future[Completion | None]

    def is_of(self, text: str, offset: int) -> bool:
        return self.offset == offset and self.text == text


@dataclass(frozen=True)
class _Asked:
    """The place in a document where somebody asked last, or wrote."""

    asked: tuple[str, int, str]  # text, offset, language
    cursor: Cursor


class Quickfill(LanguageServer):
    """Documents belong to the workspace, sessions to the engine; here is only what connects them."""

    def __init__(self, model: Path | str | None = None, remote: RemoteEngine | None = None) -> None:
        super().__init__("quickfill", version("quickfill"), protocol_cls=AnsweringProtocol, converter_factory=_tolerant_converter)
        self.settings = Settings(model=None if model is None else str(model))
        self.record = Record()
        self.shown = Suggestions()
        self._ahead: dict[str, _Ahead] = {}
        self._cursors: dict[str, _Asked] = {}  # for each document: what is around there is parsed already
        self._recent: dict[str, Recent] = {}  # for each document, what was changed last
        self._remote = remote  # an engine in another process, instead of a model in this one
        self.neighbours = Neighbours()
        self._project = uuid.uuid4().hex  # what the engine calls the workspace
        self._told_project = 0.0  # when it was told of all of it, in seconds of `time.monotonic`
        self._worker = ThreadPoolExecutor(THREADS, "engine")
        self._engine: Future[Infiller] | None = None
        self._running: dict[str, threading.Event] = {}  # for each document, the switch that stops its request
        self.store: Store | None = None
        self.tracker = Tracker(self._take_down)
        self._told: dict[str, object] | None = None  # what the client was told last of the status

    def start_engine(self) -> Future[Infiller]:
        """Loads the model in the engine's thread, once."""
        if self._engine is None:
            self._engine = self._worker.submit(self._load)
        return self._engine

    def _load(self) -> Infiller:
        return self._load_model() if self._remote is None else FallbackEngine(self._remote, self._load_model)

    def _load_model(self) -> Infiller:
        settings = self.settings
        if settings.shared_engine:
            try:
                return SharedEngine(settings.model, settings.threads, settings.device, renewed=self._tell_again)
            except CannotShare as error:
                log.info("no engine is shared, this process has its own: %s", error)
        from model.engine.engine import Engine

        engine = Engine.load(settings.model, settings.threads, device=settings.device)
        engine.warm_up()
        return engine

    async def suggest(self, place: Place, by_hand: bool) -> Completion:
        """Suggestions: several, likely or not, and hardly ever none, for one who asks by hand. Raises what `run` raises."""

        def work(engine: Infiller, cancelled: Callable[[], bool]) -> Completion:
            settings = self.settings
            candidates, min_confidence = (settings.candidates, 0.0) if by_hand else (1, settings.min_confidence)
            asked = asked_of(place, settings, candidates, settings.deadline_ms, not by_hand, min_confidence, may_replace=True)
            return complete(engine, asked, cancelled)

        place = replace(place, project=self.project_of(place.session))
        found = await self.run(place.session, work)
        if not found.knows_project and time.monotonic() > self._told_project + PROJECT_PATIENCE:
            self._tell_again()
        return found

    async def run(self, session: str, work: Callable[[Infiller, Callable[[], bool]], Result]) -> Result:
        """Work for a document on the engine's thread; newer work for the same document stops it.

        Raises Cancelled, EngineFailed and what the work raises.
        """
        stop = threading.Event()
        self.stop(session)
        self._running[session] = stop
        loading = self.start_engine()

        def run() -> Result:
            if stop.is_set():
                raise Cancelled
            try:
                engine = loading.result()
            except Exception as error:  # whatever stands in a model's folder
                raise EngineFailed(str(error)) from error
            return work(engine, stop.is_set)

        try:
            return await asyncio.wrap_future(self._worker.submit(run))
        except asyncio.CancelledError:
            stop.set()
            raise
        finally:
            if self._running.get(session) is stop:
                del self._running[session]

    def read_ahead(self, document: str, text: str, offset: int) -> Future[None] | None:
        """Has the model read the text around a place that was edited, for whoever asks a moment later, as most clients do.

        In the background, and not on a server that others use as well.
        """
        if self._remote is not None or self._engine is None or not self._engine.done() or self._engine.exception():
            return None
        parts = sent_window(text, [(offset, offset)]).parts
        return self._engine.result().warm(document, parts, self.other_files(document, text, offset))

    def read_workspace(self) -> None:
        """Begins to read what the model may see besides the document that is edited, if it may see any."""
        wanted = self.settings.other_files
        project = Project(self._roots(), LANGUAGES, self.settings.ignore_files) if wanted else None
        self._told_project = time.monotonic()
        self.neighbours.serve(project, self._tell_engine)
        if project is None:
            self._tell_engine((), (), True)

    def reread(self, paths: Sequence[Path]) -> None:
        """Files were written, made or deleted; where one of them says what no model may see, all are read again."""
        if any(path.name in self.settings.ignore_files for path in paths):
            self.read_workspace()
        else:
            self.neighbours.changed(paths)

    def project_of(self, document: str) -> tuple[str, str]:
        """The workspace, as the engine knows it, and what the document is called in it; a team's engine knows no workspaces."""
        path = to_fs_path(document)
        if self._remote is not None or path is None or not self.neighbours.serves:
            return "", ""
        return self._project, os.path.abspath(path)

    def copied_from(self, document: str) -> int:
        """How many files of the workspace suggestions in a document are copied from."""
        project, own = self.project_of(document)
        return sum(str(file.path) != own for file in self.neighbours.files()) if project else 0

    def _tell_again(self) -> None:
        self._told_project = time.monotonic()
        self.neighbours.tell_again()

    def _tell_engine(self, files: Sequence[SourceFile], gone: Sequence[Path], whole: bool) -> None:
        """What the workspace's files say, secrets replaced: suggestions are copied from them, too."""
        engine = self._engine
        if self._remote is None and engine is not None and engine.done() and not engine.exception():
            texts, size = {}, 0
            for file in files:
                if not self.neighbours.serves:
                    return  # the server is being shut down: nobody waits for the rest
                size += len(file.text)
                if size > MOST_TOLD:
                    break
                began = time.perf_counter()
                texts[str(file.path)] = without_secrets((file.text,))[0]
                time.sleep(REST * (time.perf_counter() - began))
            engine.result().tell(self._project, texts, [os.path.abspath(path) for path in gone], whole)

    def watch_files(self) -> None:
        """Asks the client to tell of files that change outside of it, if it can."""
        workspace = self.client_capabilities.workspace
        watching = workspace and workspace.did_change_watched_files
        if watching and watching.dynamic_registration:
            names = [*(f"*{ending}" for ending in endings_of(LANGUAGES)), *self.settings.ignore_files]
            patterns = [types.FileSystemWatcher(f"**/{name}") for name in names]
            options = types.DidChangeWatchedFilesRegistrationOptions(patterns)
            what = types.Registration("quickfill-files", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, options)
            self.client_register_capability(types.RegistrationParams([what]))

    def neighbour(self, document: str, text: str, offset: int) -> Piece | None:
        """The piece of another file that the model sees with a place, as far as one was chosen already."""
        if not self.neighbours.serves:
            return None
        loop = asyncio.get_running_loop()

        def chosen() -> None:
            here = self.workspace.text_documents.get(document)
            if here is not None and here.source == text:
                self.read_ahead(document, text, offset)

        def told() -> None:
            loop.call_soon_threadsafe(chosen)

        path = to_fs_path(document)
        return self.neighbours.of(document, Path(path) if path else None, text, offset, lambda: self._opened(document), told)

    def _opened(self, document: str) -> dict[Path, str]:
        """What stands in the editor beside a document, as far as a model may see it."""
        documents = list(self.workspace.text_documents.values())
        return {Path(one.path): one.source for one in documents if one.uri != document and self.refusal(one) is None}

    def other_files(self, document: str, text: str, offset: int) -> tuple[str, ...]:
        return other_files_of(self.neighbour(document, text, offset))

    def _roots(self) -> list[Path]:
        return [Path(folder) for one in self.workspace.folders.values() if (folder := to_fs_path(one.uri))]

    def refusal(self, document: TextDocument) -> Silence | None:
        """Why the model may or can do nothing in a document, and does not get to see it; None if it does."""
        # Of any scheme: a cell of a notebook is as private as the notebook, and what will be saved as `.env` as that file.
        path = to_fs_path("file:" + document.uri.partition(":")[2])
        if path is not None and os.path.isabs(path):
            why = gate.refusal(Path(path), self._roots(), self.settings.ignore_files)
            if why is not None:
                return Silence(Kind.IGNORED, why)
        return unknown_language(document.language_id)

    def look_ahead(self, document: str, text: str, offset: int, language: str) -> None:
        """Finds out what comes next, while a person reads what is shown: `text` is the document once that is taken.

        Not on a server that others use as well.
        """
        last = self._ahead.get(document)
        if last is not None and last.is_of(text, offset):
            return  # it is known, or under way
        self.stop(document)
        self._ahead.pop(document, None)
        if self._remote is None:
            cursor = self.cursor(document, text, offset, language)
            if quiet(cursor) is None:
                others = self.other_files(document, text, offset)
                place = Place(text, ((offset, offset),), language, document, cursor, others)
                self._ahead[document] = _Ahead(text, offset, asyncio.ensure_future(self._looked_ahead(place)))

    async def _looked_ahead(self, place: Place) -> Completion | None:
        """None where nothing could be found out: whoever comes to the place asks anew, and is told why."""
        try:
            return await self.suggest(place, by_hand=False)
        except (Cancelled, EngineFailed, ServerAway, ValueError):
            return None

    async def known_ahead(self, document: str, text: str, offset: int) -> Completion | None:
        """What was found, or is being looked for, for exactly this place. Raises Cancelled if a newer request comes."""
        last = self._ahead.get(document)
        if last is None or not last.is_of(text, offset):
            return None
        found = await asyncio.shield(last.found)
        if found is None and document in self._running:
            raise Cancelled
        return found

    def edited(self, document: TextDocument) -> None:
        """A document was opened, or has another text now."""
        self.tracker.edited(document.uri, document.source)
        self.stop(_next_edit_of(document.uri))
        self.stop(edit_of(document.uri))
        if document.uri in self._recent:
            self._recent[document.uri].edited(document.source)
        else:
            self._recent[document.uri] = Recent(document.source)

    async def next_edit(self, document: TextDocument, elsewhere: bool = False) -> tuple[TextDocument, NextEdit] | str:
        """What the newest change of a document calls for elsewhere in it or, if asked, in another file, and the document that is.

        Why there is nothing, if so. Raises what `run` raises.
        """
        uri, text = document.uri, document.source
        recent = self._recent.get(uri)
        change = recent.change() if recent else None
        if change is None:
            return "nothing was changed lately that could be changed elsewhere, too"
        here = bool(places(text, change))
        elsewhere = elsewhere and self.neighbours.serves
        nowhere = f"`{change.old}` stands nowhere else in {'the files that were read' if elsewhere else 'this file'}"
        if not (here or elsewhere):
            return nowhere
        session, own = _next_edit_of(uri), Path(os.path.abspath(to_fs_path(uri) or uri))
        opened = self._opened(uri) if elsewhere else {}

        def work(engine: Infiller, cancelled: Callable[[], bool]) -> tuple[TextDocument, NextEdit] | str:
            found = next_edit(engine, text, change, session, cancelled) if here else None
            if found is not None:
                return document, found
            files = [file for file in self.neighbours.files(opened) if file.path != own] if elsewhere else []
            likely = files_with(files, text, change)[: 2 * MOST_FILES]  # as they were when they were read
            others = files_with(filter(None, map(self.neighbours.current, likely)), text, change)
            if others:
                name = next((file.name for file in self.neighbours.files() if file.path == own), own.name)
                found_away = next_edit_elsewhere(engine, text, name, change, others, session, cancelled)
                if found_away is not None:
                    file, edit = found_away
                    return self._document_of(file), edit
            return f"the model would leave `{change.old}` as it is in the other places" if here or others else nowhere

        return await self.run(session, work)

    def _document_of(self, file: SourceFile) -> TextDocument:
        """The one that is open; else the file, as one that nobody has opened."""
        opened = (one for one in list(self.workspace.text_documents.values()) if Path(one.path) == file.path)
        encoding = self.workspace.position_codec
        return next(opened, TextDocument(file.path.as_uri(), file.text, position_codec=encoding))

    async def reshape(
        self, document: TextDocument, position: types.Position, known: str | None, shorten: Callable[[str], str | None] | None
    ) -> str | None:
        """Makes what is suggested at a place shorter, or longer by what comes next; whoever asks there again gets that.

        `known`: which of the suggestions is meant. The reason why nothing changes, if so. Raises what `run` raises.
        """
        uri, text = document.uri, document.source
        offset = offset_at(document, position)
        before, after = text[:offset], text[offset:]
        found = [self.shown.rest(uri, before, after, by_hand) for by_hand in (False, True)]
        meant = [(rest, one) for rest in found if rest for one in rest.candidates if known in (None, one.text)]
        if not meant:
            return "nothing is suggested here"
        (rest, candidate), suggestion = meant[0], meant[0][1].text
        if shorten is not None:
            reshaped = shorten(suggestion)
        else:
            more = await self._what_follows(
                uri, taken(text, offset, suggestion, rest.replaces), offset + len(suggestion), document
            )
            reshaped = suggestion + more if more else None
        if reshaped is None:
            return "the suggestion is as short as it can be" if shorten else "the model suggests nothing behind it"
        if document.source != text:
            return "the document changed meanwhile"
        changed = replace(candidate, texts=(reshaped,), parts=())
        self.shown.remember(uri, Shown(before, after, (changed,), True, rest.replaces))
        return None

    async def _what_follows(self, uri: str, text: str, offset: int, document: TextDocument) -> str:
        """The line or the block that comes behind a place, on its line or on the next ones; empty if nothing does."""
        language = document.language_id or LANGUAGES[0]
        newline = "\r\n" if "\r\n" in text else "\n"
        if text[offset:].splitlines()[:1] not in ([], [""]):
            return ""
        for between in ("", newline):
            here, at = text[:offset] + between + text[offset:], offset + len(between)
            place = Place(here, ((at, at),), language, uri, None, self.other_files(uri, here, at))
            found = await self.suggest(place, by_hand=True)
            more = next((one.text for one in found.candidates if not one.replaced and one.text.strip()), "")
            if more:
                return between + more
        return ""

    def stop(self, session: str) -> None:
        if session in self._running:
            self._running[session].set()

    def forget(self, session: str) -> None:
        sessions = (session, _next_edit_of(session), edit_of(session))
        for name in sessions:
            self.stop(name)
        self._recent.pop(session, None)
        self.shown.forget(session)
        self._ahead.pop(session, None)
        self._cursors.pop(session, None)
        self.neighbours.forget(session)
        if self._engine is not None:
            engine = self._engine
            for name in sessions:
                self._worker.submit(lambda name=name: engine.result().forget(name))  # type: ignore[misc]

    def cursor(self, document: str, text: str, offset: int, language: str) -> Cursor:
        """A place in a document, of which only what changed since somebody asked last is parsed."""
        last = self._cursors.get(document)
        if last is None or last.asked != (text, offset, language):
            cursor = cursor_in(text, offset, language, None if last is None else last.cursor.document)
            last = self._cursors[document] = _Asked((text, offset, language), cursor)
        return last.cursor

    def status(self) -> dict[str, object]:
        ready = self._engine is not None and self._engine.done()
        error = self._engine.exception() if ready and self._engine is not None else None
        model = None if not ready or error or self._engine is None else self._engine.result().name
        return {
            "ready": ready and error is None,
            "model": model,
            "reason": str(error) if error else self.record.last and str(self.record.last),
            "answers": dict(self.record.answers),
            "silences": dict(self.record.silences),
            "candidates": self.record.candidates,
            "changed": dict(self.record.changed),
            "dropped": dict(self.record.dropped),
        }

    def _take_down(self, outcome: Outcome) -> None:
        if self.store is not None:
            self.store.outcome(outcome)

    def log_acceptance(self) -> None:
        """Begins to write down what becomes of suggestions, or ends it, as the settings want."""
        if self.settings.acceptance_log and self.store is None:
            self.store = Store(usual_place())
        elif not self.settings.acceptance_log and self.store is not None:
            self.store.close()
            self.store = None

    def look_at_what_was_taken(self) -> None:
        """Now, and again every now and then."""
        self.tracker.look()
        asyncio.get_running_loop().call_later(LOOK_SECONDS, self.look_at_what_was_taken)

    def is_silent(self, silence: Silence) -> None:
        """Nothing was suggested: writes down why."""
        self.record.is_silent(silence)
        if self.store is not None:
            self.store.silence(silence.counted_as)
        self.tell_status()

    def tell_status(self) -> None:
        """Tells a client that wants to know how the server is, if that has changed."""
        wanted = self.client_capabilities.experimental
        known = wanted if isinstance(wanted, dict) else getattr(wanted, "_asdict", dict)()
        status = self.status()
        told = {name: status[name] for name in ("ready", "model", "reason")}
        if known.get("quickfillStatus") and told != self._told:
            self._told = told
            self.protocol.notify(STATUS, told)

    async def load(self) -> None:
        """Starts the engine, with progress for a client that shows it."""
        window = self.client_capabilities.window
        shows = bool(window and window.work_done_progress)
        loading = asyncio.wrap_future(self.start_engine())
        self.tell_status()
        if shows:
            await self.work_done_progress.create_async(LOADING)
            self.work_done_progress.begin(LOADING, types.WorkDoneProgressBegin("Quickfill", message="loading the model"))
        await asyncio.wait([loading])
        self.tell_status()
        if shows:
            message = "there is no model" if loading.exception() else "ready"
            self.work_done_progress.end(LOADING, types.WorkDoneProgressEnd(message=message))

    def report_server_error(self, error: Exception, source: object) -> None:
        # A pop-up for each failed keystroke is the complaint about such servers; the log and the status have it.
        # What a message that cannot be read was, its traceback would tell.
        log.error("%s", error, exc_info=None if isinstance(error, JsonRpcException) else error)


def create_server(model: Path | str | None = None, remote: RemoteEngine | None = None) -> Quickfill:
    server = Quickfill(model, remote)

    @server.feature(types.INITIALIZED)
    async def initialized(server: Quickfill, _: types.InitializedParams) -> None:
        server.look_at_what_was_taken()
        server.watch_files()
        await server.load()
        server.read_workspace()

    @server.feature(types.INITIALIZE)
    def initialize(server: Quickfill, params: types.InitializeParams) -> None:
        server.settings = server.settings.overlaid(params.initialization_options)
        logging.getLogger().setLevel(server.settings.log_level.upper())
        server.log_acceptance()
        editor = params.capabilities.text_document
        if editor is None or editor.inline_completion is None:
            register_popup(server)

    @server.feature(types.SHUTDOWN)
    def shut_down(server: Quickfill, _: None) -> None:
        server.neighbours.serve(None)
        for uri in list(server.workspace.text_documents):
            server.tracker.closed(uri)
        if server.store is not None:
            server.store.close()

    @server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)
    def configured(server: Quickfill, params: types.DidChangeConfigurationParams) -> None:
        before, server.settings = server.settings, server.settings.overlaid(params.settings)
        server.log_acceptance()
        if (before.other_files, before.ignore_files) != (server.settings.other_files, server.settings.ignore_files):
            server.read_workspace()

    @server.feature(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)
    def other_folders(server: Quickfill, _: types.DidChangeWorkspaceFoldersParams) -> None:
        server.read_workspace()

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def files_changed(server: Quickfill, params: types.DidChangeWatchedFilesParams) -> None:
        server.reread([Path(path) for change in params.changes if (path := to_fs_path(change.uri))])

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def saved(server: Quickfill, params: types.DidSaveTextDocumentParams) -> None:
        path = to_fs_path(params.text_document.uri)
        if path:
            server.reread([Path(path)])

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def changed(server: Quickfill, params: types.DidChangeTextDocumentParams) -> None:
        document = server.workspace.text_documents.get(params.text_document.uri)
        change = params.content_changes[-1] if params.content_changes else None
        if document is not None:
            server.edited(document)
        if document is None or not isinstance(change, types.TextDocumentContentChangePartial):
            return
        if server.refusal(document) is None:
            text = document.source
            edge = min(offset_at(document, change.range.start) + len(change.text), len(text))
            # Where nothing is suggested unasked, reading would only take time from the keys that follow.
            if quiet(server.cursor(document.uri, text, edge, document.language_id or LANGUAGES[0])) is None:
                server.read_ahead(document.uri, text, edge)

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(server: Quickfill, params: types.DidOpenTextDocumentParams) -> None:
        server.edited(server.workspace.get_text_document(params.text_document.uri))

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def closed(server: Quickfill, params: types.DidCloseTextDocumentParams) -> None:
        server.tracker.closed(params.text_document.uri)
        server.forget(params.text_document.uri)

    register_suggestions(server)
    register_commands(server)

    @server.command(STATUS_COMMAND)
    def status(server: Quickfill, *_: object) -> dict[str, object]:
        return server.status()

    return server


def _next_edit_of(document: str) -> str:
    """The session in which a document's next edit is looked for: its places are elsewhere than the cursor."""
    return f"{document}#next edit"


def _tolerant_converter() -> Converter:
    """lsprotocol's converter, for clients that count trigger kinds from 0 or leave the context out.

    The specification's values are 1 (invoked) and 2 (automatic). A client that once sent 0 is taken to count from 0.
    """
    converter = converters.get_converter()
    strict = converter.get_structure_hook(types.InlineCompletionParams)
    zero_based = False

    def params(value: dict[str, object], kind: type[types.InlineCompletionParams]) -> types.InlineCompletionParams:
        nonlocal zero_based
        given = value.get("context")
        context = dict(given) if isinstance(given, dict) else {}
        trigger = context.get("triggerKind", types.InlineCompletionTriggerKind.Invoked.value)
        zero_based = zero_based or trigger == 0
        invoked = trigger == 0 or (trigger == 1 and not zero_based)
        kinds = types.InlineCompletionTriggerKind
        context["triggerKind"] = (kinds.Invoked if invoked else kinds.Automatic).value
        structured: types.InlineCompletionParams = strict({**value, "context": context}, kind)
        return structured

    converter.register_structure_hook(types.InlineCompletionParams, params)
    return converter


def serve(model: str | None, tcp: tuple[str, int] | None, remote: RemoteEngine | None = None) -> None:
    """Runs the server until the client leaves: on standard input and output, or on a TCP address."""
    logging.getLogger("pygls").setLevel(logging.CRITICAL)  # what it logs holds messages, and with them code
    server = create_server(model, remote)
    run: Callable[[], None] = server.start_io if tcp is None else lambda: server.start_tcp(*tcp)
    run()
