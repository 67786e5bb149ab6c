"""Places in a document: the client's lines and code units on one side, offsets in the text on the other.

Knows documents and encodings. Knows no requests. Where a client names a place that is not there, the nearest one is meant.
"""

from __future__ import annotations

from lsprotocol import types
from pygls.workspace import TextDocument


def clamped(document: TextDocument, position: types.Position) -> types.Position:
    """The position, or where the line or the text ends if it lies behind that."""
    lines = document.lines
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
    lines = document.lines
    if position.line >= len(lines):
        return len(document.source)
    before = sum(map(len, lines[: position.line]))
    line = lines[position.line]
    inside = document.position_codec.position_from_client_units(lines, position).character
    return before + min(inside, len(line.rstrip("\r\n")))


def position_of(document: TextDocument, offset: int) -> types.Position:
    """The client's name for a place in the text; the inverse of `offset_at`."""
    lines, line = document.lines, 0
    while line < len(lines) and offset >= len(lines[line]) and (line + 1 < len(lines) or lines[line].endswith(("\n", "\r"))):
        offset -= len(lines[line])
        line += 1
    if line == len(lines):
        return types.Position(line, 0)
    return types.Position(line, document.position_codec.client_num_units(lines[line][:offset]))
