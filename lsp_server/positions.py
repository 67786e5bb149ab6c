"""Places in a document: the client's lines and code units on one side, offsets in the text on the other.

Knows documents and encodings. Knows no requests. Where a client names a place that is not there, the nearest one is meant.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from lsprotocol import types
from pygls.workspace import TextDocument


def clamped(document: TextDocument, position: types.Position) -> types.Position:
    """The position, or where the line or the text ends if it lies behind that."""
    lines = _lines(document.source).texts
    if position.line < len(lines):
        return types.Position(position.line, min(position.character, _units(document, lines[position.line])))
    if not lines or lines[-1].endswith(("\n", "\r")):
        return types.Position(len(lines), 0)
    return types.Position(len(lines) - 1, _units(document, lines[-1]))


def _units(document: TextDocument, line: str) -> int:
    units: int = document.position_codec.client_num_units(line.rstrip("\r\n"))
    return units


def offset_at(document: TextDocument, position: types.Position) -> int:
    """Offset in the text of a position in the client's encoding; one behind the end of a line or of the text is clamped."""
    lines = _lines(document.source)
    if position.line >= len(lines.texts):
        return len(document.source)
    line = lines.texts[position.line]
    within = types.Position(0, position.character)
    inside = document.position_codec.position_from_client_units([line], within).character
    return lines.starts[position.line] + min(inside, len(line.rstrip("\r\n")))


def position_of(document: TextDocument, offset: int) -> types.Position:
    """The client's name for a place in the text; the inverse of `offset_at`."""
    lines = _lines(document.source)
    number = max(0, bisect_right(lines.starts, offset) - 1)
    if not lines.texts:
        return types.Position(0, 0)
    text = lines.texts[number]
    inside = offset - lines.starts[number]
    if inside >= len(text) and text.endswith(("\n", "\r")):
        return types.Position(number + 1, 0)
    return types.Position(number, document.position_codec.client_num_units(text[:inside]))


class _Lines(NamedTuple):
    texts: list[str]  # with their line breaks
    starts: list[int]


@lru_cache(maxsize=8)
def _lines(text: str) -> _Lines:
    """Of a text that is asked about several times for each key. Where a line ends is the protocol's matter, as in pygls."""
    texts = list(TextDocument("", text).lines)
    return _Lines(texts, [0, *accumulate(map(len, texts))][:-1] if texts else [])
