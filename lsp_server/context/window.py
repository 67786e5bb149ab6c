"""The part of a document that the model gets to see around its holes, and the way back into the document.

Knows characters and line breaks: the model reads "\\n" only, a document may use "\\r\\n" or "\\r". Knows no tokens, no
editor and no programming language.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lsp_server.context.secrets import without_secrets

BEFORE = 12_000  # characters left of the first hole
AFTER = 6_000  # characters right of the last one

# The left edge moves in steps of this many characters: an edge that followed every keystroke would change the first
# characters the model sees each time, and with them everything it has cached.
STRIDE = 2_048

_BREAK = re.compile(r"\r\n|\r|\n")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Window:
    parts: tuple[str, ...]  # k+1 visible texts around k holes; "\n" is the only line break, no lone surrogates
    newline: str  # how the document ends its lines


def newline_of(text: str) -> str:
    """The line break that most lines of the text end with; "\\n" for a text of one line."""
    crlf = text.count("\r\n")
    counts = {"\n": text.count("\n") - crlf, "\r\n": crlf, "\r": text.count("\r") - crlf}
    return max(counts, key=lambda newline: counts[newline])


def as_model_text(text: str) -> str:
    """LF line breaks, and U+FFFD for a lone surrogate (half a character, which no encoder accepts)."""
    return _SURROGATE.sub("\ufffd", _BREAK.sub("\n", text))


def as_document_text(text: str, newline: str) -> str:
    """The model's text with the line breaks of the document."""
    return _BREAK.sub(newline, text)


def cut_window(text: str, spans: Sequence[tuple[int, int]], before: int = BEFORE, after: int = AFTER) -> Window:
    """The window around holes that stand for text[start:end] of each span; spans are ascending and do not overlap."""
    if not spans:
        raise ValueError("a window needs at least one hole")
    edges = [edge for start, end in spans for edge in (start, end)]
    if edges != sorted(edges) or edges[0] < 0 or edges[-1] > len(text):
        raise ValueError(f"holes must be ascending and inside the text, got {list(spans)}")
    edges = [_off_break(text, edge) for edge in edges]
    bounds = [_left_edge(text, edges[0], before), *edges, _right_edge(text, edges[-1], after)]
    parts = tuple(as_model_text(text[bounds[i] : bounds[i + 1]]) for i in range(0, len(bounds), 2))
    return Window(parts, newline_of(text))


def sent_window(text: str, spans: Sequence[tuple[int, int]]) -> Window:
    """The window as a model gets it: without what looks like a secret."""
    window = cut_window(text, spans)
    return replace(window, parts=without_secrets(window.parts))


def _off_break(text: str, offset: int) -> int:
    """The same place, never between the two characters of one "\\r\\n"."""
    return offset - 1 if 0 < offset < len(text) and text[offset - 1 : offset + 1] == "\r\n" else offset


def _left_edge(text: str, offset: int, limit: int) -> int:
    """Start of a line, at most `limit` characters left of the offset; inside a line only if the line is longer."""
    if offset <= limit:
        return 0
    stride = max(1, min(STRIDE, limit // 4))
    edge = -(-(offset - limit) // stride) * stride
    line_break = _BREAK.search(text, edge, offset)
    # One character earlier would do if a line starts right at the edge; losing that line is harmless.
    return line_break.end() if line_break else edge


def _right_edge(text: str, offset: int, limit: int) -> int:
    """End of a line, at most `limit` characters right of the offset; inside a line only if the line is longer."""
    if len(text) - offset <= limit:
        return len(text)
    edge = _off_break(text, offset + limit)
    last = max(text.rfind("\n", offset, edge), text.rfind("\r", offset, edge))
    return last + 1 if last >= offset else edge
