"""From places in a document to suggestions: window, one line or several, the engine, the filters.

Knows documents as text and offsets. Knows no protocol and no tokens.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from lsp_server.completion.filters import confident, suggestions
from lsp_server.context.window import as_document_text, cut_window
from lsp_server.engine import Infiller
from lsp_server.settings import Settings
from lsp_server.syntax.python import invites_block, is_unfinished
from model.infilling.request import Candidate, InfillRequest


@dataclass(frozen=True)
class Place:
    """Holes in a document: each stands for text[start:end]; ascending, not overlapping."""

    text: str
    holes: tuple[tuple[int, int], ...]
    python: bool = True
    session: str = ""


@dataclass(frozen=True)
class Completion:
    """Suggestions, best first, with the document's line breaks; without any, `reason` says why."""

    candidates: tuple[Candidate, ...]
    reason: str | None
    steps: int
    forward_passes: int
    timings_ms: dict[str, float]
    model: str


def complete(
    engine: Infiller,
    place: Place,
    settings: Settings,
    candidates: int = 1,
    deadline_ms: float | None = None,
    allow_empty: bool = True,
    min_confidence: float = 0.0,
    cancelled: Callable[[], bool] | None = None,
) -> Completion:
    """Suggestions for the holes. Raises Cancelled, ServerAway; ValueError for holes that are none.

    What is less likely to be right than `min_confidence` (0..1) is cut to a part that holds, or not shown.
    With `allow_empty` the answer may be that nothing belongs here; never where the syntax says that something is missing.
    """
    began = time.perf_counter()
    window = cut_window(place.text, place.holes)
    single_line = settings.multiline == "never" or (
        settings.multiline == "auto" and place.python and not _invites_lines(window.parts)
    )
    left = None if deadline_ms is None else max(1.0, deadline_ms - (time.perf_counter() - began) * 1000)
    request = InfillRequest(
        window.parts,
        candidates=candidates,
        deadline_ms=left,
        max_tokens=settings.max_tokens,
        single_line=single_line,
        min_confidence=min_confidence,
        allow_empty=allow_empty and not (place.python and len(window.parts) == 2 and is_unfinished(*window.parts)),
    )
    asked = time.perf_counter()
    infilling = engine.infill(request, place.session, cancelled)
    answered = time.perf_counter()
    sure, unsure = confident(infilling.candidates, min_confidence)
    kept, reason = suggestions(sure, window.parts, place.python)
    shown = tuple(replace(c, texts=tuple(as_document_text(text, window.newline) for text in c.texts)) for c in kept)
    end = time.perf_counter()
    timings = dict(infilling.timings_ms)
    timings["context"] = round(timings["context"] + (asked - began) * 1000, 3)
    timings["filter"] = round(timings["filter"] + (end - answered) * 1000, 3)
    timings["total"] = round((end - began) * 1000, 3)
    reason = infilling.reason or unsure or reason
    return Completion(shown, reason, infilling.steps, infilling.forward_passes, timings, infilling.model)


def _invites_lines(parts: Sequence[str]) -> bool:
    return any(invites_block("".join(parts[:cut]), "".join(parts[cut:])) for cut in range(1, len(parts)))
