"""A person at work: types the edits of real commits through the language server, and takes what is right.

Knows the protocol from the client's side, and how a careful person reads: what is shown is taken (with one key) if it is exactly
what the commit has there, and typed over if not. Knows nothing of what happens in the server.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, cast

import numpy as np
from lsprotocol import types
from pygls.lsp.client import LanguageClient
from pygls.workspace import TextDocument
from rich.progress import Progress

from lsp_server.benchmarks.history import Change, Commit, Edit, HistoryError, changes, files_before, next_key
from lsp_server.positions import offset_at, position_of
from lsp_server.syntax.places import cursor_in, parse_errors
from model.tokenization.agreement import common_length

READING_SECONDS = 0.2  # for which a person looks at a suggestion before taking it
LEAST_TAKEN = 2  # characters that are worth a press of the tab key


@dataclass(frozen=True)
class Shown:
    """`text` is suggested behind a cursor, where `replaced` characters make way for it."""

    text: str
    replaced: int = 0


@dataclass
class Tally:
    """What happened. A suggestion is new if it is no rest of the one before it."""

    keys: int = 0
    written: int = 0  # characters, those that were taken included
    with_suggestion: int = 0  # keys behind which one was shown
    suggestions: int = 0  # new ones
    right: int = 0  # of these: exactly what the commit has there
    lines_right: int = 0  # of these: their first line is
    taken: int = 0
    characters_taken: int = 0
    typed_along: int = 0  # characters of suggestions that were typed and not taken
    flickers: int = 0  # keys that typed along, behind which another suggestion or none was shown
    duplicates: int = 0  # suggestions that say once more the line that stands next to them
    adds_errors: int = 0  # suggestions with which the file has more syntax errors than without
    waits_ms: list[float] = field(default_factory=list)  # from a key to its answer
    waits_after_taking_ms: list[float] = field(default_factory=list)

    @property
    def keys_saved(self) -> float:
        """Share of the characters that nobody had to type."""
        return (self.characters_taken - self.taken) / max(1, self.written)


@dataclass(frozen=True)
class Session:
    repository: str
    tally: Tally
    edits: int
    silences: dict[str, int]
    answers: dict[str, int]
    filtered: dict[str, int]  # candidates of the model that a filter changed or dropped, by its name
    candidates: int

    def as_json(self) -> dict[str, object]:
        tally = self.tally
        return {
            "repository": self.repository,
            "edits": self.edits,
            **{name: value for name, value in vars(tally).items() if not isinstance(value, list)},
            "keys_saved": round(tally.keys_saved, 4),
            "latency_ms": {f"p{q}": percentile(tally.waits_ms, q) for q in (50, 95, 99)},
            "latency_after_taking_ms": {f"p{q}": percentile(tally.waits_after_taking_ms, q) for q in (50, 95, 99)},
            "silences": self.silences,
            "answers": self.answers,
            "candidates": self.candidates,
            "filtered": self.filtered,
        }


def percentile(waits: Sequence[float], q: int) -> float:
    return round(float(np.percentile(waits or [0.0], q)), 1)


def replay(repository: Path, keys: int, model: str | None, other_files: bool = True) -> Session:
    """Types about so many keys in the repository's newest changes. Raises HistoryError where there are none.

    The workspace is the repository as it was before each commit; with `other_files` the server may use the files beside the one
    that is typed in.
    """
    with tempfile.TemporaryDirectory(prefix="quickfill-typing-") as folder:
        return asyncio.run(_replay(repository, keys, model, other_files, Path(folder).resolve()))


async def _replay(repository: Path, keys: int, model: str | None, other_files: bool, folder: Path) -> Session:
    history = changes(repository)
    first = next(history, None)
    if first is None:  # before a server is started for nothing
        raise HistoryError(f"{repository}: no commit changes Python code by edits that a person could have typed")
    client = LanguageClient("quickfill-bench", "1")
    command = ["-m", "lsp_server", "lsp", "--stdio", *(["--model", model] if model else [])]
    await client.start_io(sys.executable, *command)
    workspace = Workspace(client, repository, folder)
    workspace.go_to(first.commit)
    await client.initialize_async(
        types.InitializeParams(
            capabilities=types.ClientCapabilities(),
            workspace_folders=[types.WorkspaceFolder(folder.as_uri(), repository.name)],
            initialization_options={"acceptance_log": False, "other_files": other_files},
        )
    )
    client.initialized(types.InitializedParams())
    typist = Typist(client, Tally(), workspace)
    with Progress(disable=not sys.stderr.isatty()) as bars:
        bar = bars.add_task(repository.name, total=keys)
        edits = await _type(typist, chain([first], history), keys, lambda done: bars.update(bar, completed=done))
    status = await client.workspace_execute_command_async(types.ExecuteCommandParams("quickfill.status"))
    await client.shutdown_async(None)
    client.exit(None)
    await client.stop()  # type: ignore[no-untyped-call]
    said: dict[str, Any] = status if isinstance(status, dict) else cast(Any, status)._asdict()
    filtered: Counter[str] = Counter(said["changed"]) + Counter(said["dropped"])
    return Session(repository.name, typist.tally, edits, said["silences"], said["answers"], dict(filtered), said["candidates"])


async def _type(typist: Typist, history: Iterable[Change], keys: int, progress: Callable[[int], None]) -> int:
    edits = 0
    for change in history:
        await typist.open(change)
        for edit in change.edits:
            if edit.written and typist.tally.keys < keys:
                await typist.make(edit)
                edits += 1
                progress(typist.tally.keys)
            else:
                typist.replace(edit.at, edit.removed, edit.written)
        typist.close()
        if typist.tally.keys >= keys:
            break
    return edits


class Workspace:
    """A folder with the repository's files as they were before a commit, and as they were saved since; the server hears of it."""

    def __init__(self, client: LanguageClient, repository: Path, folder: Path) -> None:
        self._client, self._repository, self.folder = client, repository, folder
        self._commit = ""
        self._files: dict[str, str] = {}

    def go_to(self, commit: Commit) -> None:
        if commit.name == self._commit:
            return
        known, self._commit = bool(self._commit), commit.name
        before, self._files = self._files, files_before(self._repository, commit)
        events = [self._event(path, types.FileChangeType.Deleted) for path in before.keys() - self._files.keys()]
        for path in before.keys() - self._files.keys():
            (self.folder / path).unlink()
        for path, text in self._files.items():
            if before.get(path) != text:
                self._write(path, text)
                events.append(self._event(path, types.FileChangeType.Changed))
        if known:
            self._client.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams(events))

    def save(self, path: str, text: str) -> None:
        self._files[path] = text
        self._write(path, text)
        changed = [self._event(path, types.FileChangeType.Changed)]
        self._client.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams(changed))

    def _write(self, path: str, text: str) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text)

    def _event(self, path: str, kind: types.FileChangeType) -> types.FileEvent:
        return types.FileEvent((self.folder / path).as_uri(), kind)


class Typist:
    """Works in one file at a time, of which it always has the text that the server should have, too."""

    def __init__(self, client: LanguageClient, tally: Tally, workspace: Workspace) -> None:
        self.tally = tally
        self._client, self._workspace = client, workspace
        self._path, self._text, self._uri, self._version, self._files = "", "", "", 0, 0

    async def open(self, change: Change) -> None:
        self._workspace.go_to(change.commit)
        self._files += 1
        self._path, self._text, self._version = change.path, change.before, 1
        self._uri = (self._workspace.folder / change.path).as_uri()
        item = types.TextDocumentItem(self._uri, "python", self._version, self._text)
        self._client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        if self._files == 1:
            await self._ask(len(self._text))  # waits until the model is loaded

    def close(self) -> None:
        self._workspace.save(self._path, self._text)
        self._client.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(self._uri)))

    def replace(self, at: int, removed: int, text: str) -> None:
        document = TextDocument(self._uri, self._text)
        place = types.Range(position_of(document, at), position_of(document, at + removed))
        self._version += 1
        identifier = types.VersionedTextDocumentIdentifier(uri=self._uri, version=self._version)
        change = types.TextDocumentContentChangePartial(place, text)
        self._client.text_document_did_change(types.DidChangeTextDocumentParams(identifier, [change]))
        self._text = self._text[:at] + text + self._text[at + removed :]

    async def make(self, edit: Edit) -> None:
        """Takes away what goes, then writes what comes, with whatever help the server gives."""
        tally = self.tally
        tally.written += len(edit.written)
        if edit.removed:
            self.replace(edit.at, edit.removed, "")
        cursor, rest = edit.at, edit.written
        shown: Shown | None = None
        while rest:
            if shown is not None and len(shown.text) >= LEAST_TAKEN and self._is_right(shown, cursor, rest):
                await asyncio.sleep(READING_SECONDS)
                tally.taken += 1
                written = min(len(shown.text), len(rest))
                tally.characters_taken += written
                self.replace(cursor, shown.replaced, shown.text)
                cursor, rest, expected = cursor + len(shown.text), rest[written:], None
                waits = tally.waits_after_taking_ms
            else:
                key = next_key(self._text, cursor, rest)
                expected = None
                if shown is not None:
                    along = common_length(shown.text, key)
                    tally.typed_along += along
                    if along == len(key) < len(shown.text):
                        expected = shown.text[along:]
                self.replace(cursor, 0, key)
                cursor, rest = cursor + len(key), rest[len(key) :]
                waits = tally.waits_ms
            tally.keys += 1
            before = time.perf_counter()
            shown = await self._ask(cursor)
            waits.append((time.perf_counter() - before) * 1000)
            tally.with_suggestion += shown is not None
            tally.flickers += expected is not None and (shown is None or shown.text != expected)
            if shown is not None and shown.text != expected:
                self._count(shown, cursor, rest)

    def _is_right(self, shown: Shown, cursor: int, rest: str) -> bool:
        """Whether the text is, with it, the one that the commit has, or on the way there."""
        if not shown.replaced and rest.startswith(shown.text):
            return True
        return shown.text + self._text[cursor + shown.replaced :] == rest + self._text[cursor:]

    def _count(self, shown: Shown, cursor: int, rest: str) -> None:
        tally, text = self.tally, self._text
        tally.suggestions += 1
        tally.right += self._is_right(shown, cursor, rest)
        first = shown.text.partition("\n")[0]
        tally.lines_right += self._is_right(shown, cursor, rest) or f"{rest}{text[cursor:]}\n".startswith(f"{first}\n")
        taken = text[:cursor] + shown.text + text[cursor + shown.replaced :]
        tally.duplicates += says_again(taken, cursor, cursor + len(shown.text))
        without, with_it = (parse_errors(cursor_in(one, 0, "python").document) for one in (text, taken))
        tally.adds_errors += with_it > without

    async def _ask(self, cursor: int) -> Shown | None:
        document = TextDocument(self._uri, self._text)
        context = types.InlineCompletionContext(types.InlineCompletionTriggerKind.Automatic)
        place = types.TextDocumentIdentifier(self._uri)
        params = types.InlineCompletionParams(context, place, position_of(document, cursor))
        found = await self._client.text_document_inline_completion_async(params)
        if not isinstance(found, types.InlineCompletionList) or not found.items:
            return None
        item = found.items[0]
        if item.range is None:
            return Shown(str(item.insert_text))
        start, end = offset_at(document, item.range.start), offset_at(document, item.range.end)
        return Shown(str(item.insert_text)[cursor - start :], end - cursor)


def says_again(text: str, start: int, end: int) -> bool:
    """Whether the first or last line that text[start:end] touches stands a second time right above or below it."""
    above, _, _ = text[:start].rpartition("\n")
    below = text[end:].partition("\n")[2]
    lines = text[text.rfind("\n", 0, start) + 1 : len(text) - len(below)].rstrip().split("\n")
    first, last = lines[0].rstrip(), lines[-1].rstrip()
    over = next((line.rstrip() for line in reversed(above.split("\n")) if line.strip()), "")
    under = next((line.rstrip() for line in below.split("\n") if line.strip()), "")
    return bool(first and first == over) or bool(last and last == under)


def draw(sessions: Iterable[Session], path: Path) -> None:
    """Of each repository, what became of the suggestions. Needs matplotlib, the `eval` extra."""
    from matplotlib.figure import Figure

    found = list(sessions)
    figure = Figure(figsize=(7, 0.6 * len(found) + 1.2), layout="constrained")
    axes = figure.subplots()
    names = [session.repository for session in found]
    left = np.zeros(len(found))
    for label, color, share in (
        ("taken by suggestions", "#0072B2", [s.tally.characters_taken / max(1, s.tally.written) for s in found]),
        ("typed along a suggestion", "#56B4E9", [s.tally.typed_along / max(1, s.tally.written) for s in found]),
    ):
        axes.barh(names, [100 * one for one in share], left=list(left), color=color, label=label)
        left += 100 * np.array(share)
    axes.set_xlabel("% of the characters that the commits wrote")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)
