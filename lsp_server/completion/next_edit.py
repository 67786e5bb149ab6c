"""Where else a change that was just made is called for: at the same words elsewhere in the file, if the model agrees.

Knows texts, and what a person does between two of them. Knows no protocol. The model's part is one comparison for each place:
with the change standing in the file, is the new text likelier there than the old one?
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from lsp_server.context.secrets import secrets
from lsp_server.context.window import sent_window
from lsp_server.engine import Infiller
from model.infilling.request import InfillRequest
from model.tokenization.agreement import common_length

MOST_OLD, MOST_NEW = 60, 80  # characters of a change that is looked for elsewhere
MOST_PLACES = 3  # that the model is asked about: the nearest ones, those below first
LEAST_GAIN = 0.0  # nats: the new text must be likelier than the old one (`quickfill eval next-edits` measures what that is worth)
_NAME = re.compile(r"[^\W\d]\w\w")  # what is looked for has a name of three letters at least
_WORD, _WORD_END = re.compile(r"\w+"), re.compile(r"\w+\Z")
_WORD_OR_SIGNS = re.compile(r"\w+\W*\Z|\W+\Z")


@dataclass(frozen=True)
class Change:
    """`new` stands at an offset of a text where `old` stood before: whole words, in one line."""

    old: str
    new: str
    at: int


@dataclass(frozen=True)
class NextEdit:
    """text[start:end] should become `new`: that is so many nats likelier."""

    start: int
    end: int
    new: str
    gain: float


class Recent:
    """The newest change of a document, as a person would count: what was typed and pasted in one line, one after another."""

    def __init__(self, text: str) -> None:
        self._before = self._now = text

    def edited(self, text: str) -> None:
        """The document's text is another one now."""
        if text == self._now:
            return
        if self._before != self._now and not self._goes_on(text):
            self._before = self._now
        self._now = text

    def _goes_on(self, text: str) -> bool:
        """Whether what happened since belongs to the change before: it is in the same line, and not the same once more."""
        start, end, _ = _difference(self._now, text)
        changed, _, changed_end = _difference(self._before, self._now)
        between = self._now[min(start, changed) : max(end, changed_end)]
        if "\n" in between or "\r" in between:
            return False
        last, again = self.change(), change_between(self._now, text)
        return last is None or again is None or (last.old, last.new) != (again.old, again.new)

    def change(self) -> Change | None:
        """None where nothing changed, or something that is not looked for elsewhere."""
        return change_between(self._before, self._now)


def change_between(before: str, after: str) -> Change | None:
    """The one change that turns a text into another, in whole words, and wide enough to have a name in its old text.

    None if there is none, if it spans lines, or if it is too long or says too little.
    """
    start, end, new_end = _difference(before, after)
    if (
        start == end == new_end
        or "\n" in before[start:end] + after[start:new_end]
        or "\r" in before[start:end] + after[start:new_end]
    ):
        return None
    touched = (before[start:end], after[start:new_end])
    line = max(before.rfind("\n", 0, start), before.rfind("\r", 0, start)) + 1
    if any(_is_word(part[:1]) for part in touched) and (begun := _WORD_END.search(before[line:start])):
        start = line + begun.start()
    if any(_is_word(part[-1:]) for part in touched) and (rest := _WORD.match(before, end)):
        end, new_end = rest.end(), new_end + rest.end() - end
    while not _NAME.search(before, start, end):
        wider = _WORD_OR_SIGNS.search(before[line:start])
        if wider is None or end - start > MOST_OLD:
            return None
        start = line + wider.start()
    old, new = before[start:end], after[start:new_end]
    if not new.strip() or len(old) > MOST_OLD or len(new) > MOST_NEW:
        return None
    return Change(old, new, start)


def places(text: str, change: Change) -> list[int]:
    """Where the old text still stands as whole words, the nearest first, those below the change before those above it."""
    left = r"(?<!\w)" if _is_word(change.old[:1]) else ""
    right = r"(?!\w)" if _is_word(change.old[-1:]) or _is_word(change.new[-1:]) else ""  # words stay whole, and two words two
    found = [match.start() for match in re.finditer(left + re.escape(change.old) + right, text)]
    end = change.at + len(change.new)
    others = [at for at in found if not (change.at <= at < end) and not text.startswith(change.new, at)]
    return sorted(others, key=lambda at: (at < change.at, abs(at - change.at)))


def next_edit(
    engine: Infiller, text: str, change: Change, session: str = "", cancelled: Callable[[], bool] | None = None
) -> NextEdit | None:
    """The nearest place that the model would have changed as well. Raises what the engine raises."""
    hidden = secrets(text)

    def is_secret(start: int, end: int) -> bool:
        return any(first < end and start < last for first, last in hidden)

    if is_secret(change.at, change.at + len(change.new)):
        return None
    for at in [at for at in places(text, change) if not is_secret(at, at + len(change.old))][:MOST_PLACES]:
        gain = gain_of(engine, text, change, at, session, cancelled)
        if gain > LEAST_GAIN:
            return NextEdit(at, at + len(change.old), change.new, gain)
    return None


def gain_of(
    engine: Infiller,
    text: str,
    change: Change,
    at: int,
    session: str = "",
    cancelled: Callable[[], bool] | None = None,
) -> float:
    """By how many nats the new text is likelier at a place than the old one that stands there."""
    parts = sent_window(text, [(at, at + len(change.old))]).parts
    new, old = engine.infill(InfillRequest(parts, given=(change.new, change.old)), session, cancelled).candidates
    return new.score - old.score


def _difference(before: str, after: str) -> tuple[int, int, int]:
    """before[start:end] became after[start:new_end]; as little as possible."""
    start = common_length(before, after)
    same = common_length(before[start:][::-1], after[start:][::-1])
    return start, len(before) - same, len(after) - same


def _is_word(character: str) -> bool:
    return _WORD.match(character) is not None
