"""Parsing texts that differ little from those parsed lately: only what an edit touches is parsed anew.

Knows bytes, trees and edits. Knows no language in particular and no cursor.
"""

from __future__ import annotations

import threading

from tree_sitter import Language, Parser, Point, Tree

_KEPT = 6  # trees: those of the last keystrokes, with and without what a question puts at the cursor


class Trees:
    """The trees of the last few texts of a language. Thread-safe; a text's tree does not depend on what was parsed before."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._lately: list[tuple[bytes, Tree]] = []  # the newest last
        self._lock = threading.Lock()

    def of(self, text: str) -> Tree:
        data = text.encode("utf-8", "replace")
        with self._lock:
            lately = list(self._lately)
        nearest, edit = None, (0, 0, 0)
        for old, tree in reversed(lately):
            if old == data:
                return tree
            start, old_end, new_end = edit_between(old, data)
            if nearest is None or old_end + new_end - 2 * start < edit[1] + edit[2] - 2 * edit[0]:
                nearest, edit = (old, tree), (start, old_end, new_end)
        # A parser holds state while it parses, so each call has its own: this runs on more than one thread.
        parser = Parser(self._language)
        tree = parser.parse(data) if nearest is None else parser.parse(data, _edited(*nearest, data, *edit))
        with self._lock:
            self._lately = [*self._lately[1 - _KEPT :], (data, tree)]
        return tree


def edit_between(old: bytes, new: bytes) -> tuple[int, int, int]:
    """Where two texts begin to differ, and where what differs ends in each."""
    start = _common_prefix(old, new)
    behind = min(_common_suffix(old, new), min(len(old), len(new)) - start)
    return start, len(old) - behind, len(new) - behind


def _common_prefix(old: bytes, new: bytes) -> int:
    """By bisection: comparing two slices costs next to nothing."""
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        if old[low:middle] == new[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _common_suffix(old: bytes, new: bytes) -> int:
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        if old[len(old) - middle : len(old) - low] == new[len(new) - middle : len(new) - low]:
            low = middle
        else:
            high = middle - 1
    return low


def _edited(old: bytes, tree: Tree, new: bytes, start: int, old_end: int, new_end: int) -> Tree:
    edited = tree.copy()
    edited.edit(start, old_end, new_end, _point(old, start), _point(old, old_end), _point(new, new_end))
    return edited


def _point(data: bytes, offset: int) -> Point:
    return Point(data.count(b"\n", 0, offset), offset - 1 - data.rfind(b"\n", 0, offset))
