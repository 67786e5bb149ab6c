"""From places in a document to suggestions: window, one line or several, the engine, the filters.

Knows documents as text and offsets. Knows no protocol and no tokens.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import accumulate

from lsp_server.completion.filters import Filtered, Suggestion, suggestions
from lsp_server.completion.reasons import Kind, Silence, silence_of_engine
from lsp_server.context.window import as_document_text, sent_window
from lsp_server.engine import Infiller
from lsp_server.settings import Settings
from lsp_server.syntax.places import Cursor, cursor_in, extent, is_unfinished
from model.infilling.request import Infilling, InfillRequest

LANGUAGES = ("python",)  # that the model learned


def unknown_language(language: str | None) -> Silence | None:
    """Why nothing is suggested in a language; None for one that the model knows, or that the client does not name."""
    if not language or language in LANGUAGES:
        return None
    return Silence(Kind.LANGUAGE, f"the model knows {' and '.join(LANGUAGES)}, not {language}")


@dataclass(frozen=True)
class Place:
    """Holes in a document: each stands for text[start:end]; ascending, not overlapping. `cursor`: a single one, if known.

    `other_files`: what the model sees besides the document. `project`: whose texts it copies from, and what this one is called
    there.
    """

    text: str
    holes: tuple[tuple[int, int], ...]
    language: str = LANGUAGES[0]
    session: str = ""
    cursor: Cursor | None = None
    other_files: tuple[str, ...] = ()
    project: tuple[str, str] = ("", "")

    def cursors(self) -> tuple[Cursor, ...]:
        """The places of the holes in a text in which all of them are empty."""
        if self.cursor is not None:
            return (self.cursor,)
        bounds = [0, *(edge for hole in self.holes for edge in hole), len(self.text)]
        parts = [self.text[bounds[i] : bounds[i + 1]] for i in range(0, len(bounds), 2)]
        text, offsets = "".join(parts), list(accumulate(map(len, parts)))[:-1]
        return tuple(cursor_in(text, offset, self.language) for offset in offsets)


@dataclass(frozen=True)
class Completion:
    """Suggestions, best first, with the document's line breaks; without any, `silence` says why.

    `raw` is how many the model made, `changed` and `dropped` have the name of a filter for each of them that it touched.
    """

    candidates: tuple[Suggestion, ...]
    silence: Silence | None
    steps: int
    forward_passes: int
    timings_ms: dict[str, float]
    model: str
    raw: int = 0
    changed: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    knows_project: bool = True  # False: the engine is to be told of it

    @property
    def reason(self) -> str | None:
        return None if self.silence is None else self.silence.sentence


@dataclass(frozen=True)
class Asked:
    """What the engine is asked for a place, and what it takes to make suggestions of its answer."""

    request: InfillRequest
    session: str
    newline: str
    cursor: Cursor | None  # of a single hole
    may_replace: bool
    began: float  # seconds of `time.perf_counter`
    prepared: float


def asked_of(
    place: Place,
    settings: Settings,
    candidates: int = 1,
    deadline_ms: float | None = None,
    allow_empty: bool = True,
    min_confidence: float = 0.0,
    may_replace: bool = False,
) -> Asked:
    """The request for the holes of a place. Raises ValueError for holes that are none.

    What is less likely to be right than `min_confidence` (0..1) is cut to a part that holds, or not shown.
    With `may_replace` a suggestion may stand for closing brackets right of a single hole, too.
    With `allow_empty` the answer may be that nothing belongs here; never where the syntax says that something is missing.
    """
    began = time.perf_counter()
    window = sent_window(place.text, place.holes)
    cursors = place.cursors()
    single_line = settings.multiline == "never" or (
        settings.multiline == "auto" and all(extent(cursor) != "block" for cursor in cursors)
    )
    left = None if deadline_ms is None else max(1.0, deadline_ms - (time.perf_counter() - began) * 1000)
    request = InfillRequest(
        window.parts,
        place.other_files,
        project=place.project,
        candidates=candidates,
        deadline_ms=left,
        max_tokens=settings.max_tokens,
        single_line=single_line,
        min_confidence=min_confidence,
        allow_empty=allow_empty and not (len(cursors) == 1 and is_unfinished(cursors[0])),
    )
    only = cursors[0] if len(cursors) == 1 else None
    return Asked(request, place.session, window.newline, only, may_replace, began, time.perf_counter())


def complete(engine: Infiller, asked: Asked, cancelled: Callable[[], bool] | None = None) -> Completion:
    """Suggestions for the holes. Raises Cancelled, ServerAway."""
    return completion_of(asked, engine.infill(asked.request, asked.session, cancelled))


def completion_of(asked: Asked, infilling: Infilling) -> Completion:
    """What is worth showing of the engine's answer."""
    request, answered = asked.request, time.perf_counter()
    unasked = request.min_confidence > 0
    found = suggestions(infilling.candidates, request.parts, asked.cursor, asked.may_replace, unasked)
    shown = tuple(replace(c, texts=tuple(as_document_text(text, asked.newline) for text in c.texts)) for c in found.suggestions)
    end = time.perf_counter()
    timings = dict(infilling.timings_ms)
    timings["context"] = round(timings["context"] + (asked.prepared - asked.began) * 1000, 3)
    timings["filter"] = round(timings["filter"] + (end - answered) * 1000, 3)
    timings["total"] = round((end - asked.began) * 1000, 3)
    silence = None if shown else _silence(infilling, found)
    return Completion(
        shown,
        silence,
        infilling.steps,
        infilling.forward_passes,
        timings,
        infilling.model,
        len(infilling.candidates),
        found.changed,
        found.dropped,
        infilling.knows_project,
    )


def nothing(silence: Silence) -> Completion:
    """Where no model was asked."""
    return Completion((), silence, 0, 0, dict.fromkeys(("context", "prefill", "denoise", "filter", "total"), 0.0), "")


def _silence(infilling: Infilling, found: Filtered) -> Silence:
    if infilling.reason is not None:
        return silence_of_engine(infilling.reason)
    return Silence(Kind.FILTERED, found.complaint or "the filters left nothing", found.dropped[0] if found.dropped else "")
