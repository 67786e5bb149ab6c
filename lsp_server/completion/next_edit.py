"""Where else a change that was just made is called for: at the same words in the file or in others, if the model agrees.

Knows texts, and what a person does between two of them. Knows no protocol. The model's part is one comparison for each place:
with the change in view, is the new text likelier there than the old one?
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from lsp_server.context.project import SourceFile
from lsp_server.context.secrets import secrets, without_secrets
from lsp_server.context.window import as_model_text, sent_window
from lsp_server.engine import Infiller
from model.infilling.alike import around, as_other_file, names_in
from model.infilling.request import InfillRequest
from model.tokenization.agreement import common_length

MOST_OLD, MOST_NEW = 60, 80  # characters of a change that is looked for elsewhere
MOST_PLACES = 3  # that the model is asked about: the nearest ones, those below first
MOST_FILES = 3  # and in so many other files, those most like where the change was made, about the first place
SHOWN_AROUND = 400  # characters on either side of a change that the model sees when it is asked about another file
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


def places_away(text: str, change: Change) -> list[int]:
    """Where the old text stands in another text than the one that was changed, from the top to the bottom."""
    return places(text, Change(change.old, change.new, -1 - len(change.new)))


def files_with(files: Iterable[SourceFile], text: str, change: Change) -> list[SourceFile]:
    """The files in which the old text stands as well, those first that have most in common with where the change was made."""
    wanted = names_in(around(text, change.at))
    alike = [(len(file.names & wanted), file) for file in files if change.old in file.text and places_away(file.text, change)]
    return [file for _, file in sorted(alike, key=lambda one: (-one[0], one[1].name))]


def next_edit(
    engine: Infiller, text: str, change: Change, session: str = "", cancelled: Callable[[], bool] | None = None
) -> NextEdit | None:
    """The nearest place that the model would have changed as well. Raises what the engine raises."""
    if _is_secret(text, change.at, len(change.new)):
        return None
    return _first(engine, text, change, places(text, change), MOST_PLACES, (), session, cancelled)


def next_edit_elsewhere(
    engine: Infiller,
    text: str,
    name: str,
    change: Change,
    files: Sequence[SourceFile],
    session: str = "",
    cancelled: Callable[[], bool] | None = None,
) -> tuple[SourceFile, NextEdit] | None:
    """The first of other files, in their order, that the model would have changed as well, and where.

    It sees the change in the file with this `name`, of this text. Raises what the engine raises.
    """
    if _is_secret(text, change.at, len(change.new)):
        return None
    seen = (as_other_file(name, _around(text, change)),)
    for file in files[:MOST_FILES]:
        found = _first(engine, file.text, change, places_away(file.text, change), 1, seen, session, cancelled)
        if found is not None:
            return file, found
    return None


def _first(
    engine: Infiller,
    text: str,
    change: Change,
    ats: Sequence[int],
    most: int,
    other_files: tuple[str, ...],
    session: str,
    cancelled: Callable[[], bool] | None,
) -> NextEdit | None:
    """The first of the places that the model would have changed as well."""
    hidden = secrets(text)
    free = [at for at in ats if not any(start < at + len(change.old) and at < end for start, end in hidden)]
    for at in free[:most]:
        gain = gain_of(engine, text, change, at, other_files, session, cancelled)
        if gain > LEAST_GAIN:
            return NextEdit(at, at + len(change.old), change.new, gain)
    return None


def gain_of(
    engine: Infiller,
    text: str,
    change: Change,
    at: int,
    other_files: tuple[str, ...] = (),
    session: str = "",
    cancelled: Callable[[], bool] | None = None,
) -> float:
    """By how many nats the new text is likelier at a place than the old one that stands there."""
    parts = sent_window(text, [(at, at + len(change.old))]).parts
    request = InfillRequest(parts, other_files, given=(change.new, change.old))
    new, old = engine.infill(request, session, cancelled).candidates
    return new.score - old.score


def _around(text: str, change: Change) -> str:
    """The lines around a change, free of secrets."""
    start = text.rfind("\n", 0, max(0, change.at - SHOWN_AROUND)) + 1
    end = text.find("\n", change.at + len(change.new) + SHOWN_AROUND)
    end = len(text) if end < 0 else end + 1
    return as_model_text(without_secrets((text[:start], text[start:end], text[end:]))[1])


def _is_secret(text: str, start: int, length: int) -> bool:
    return any(first < start + length and start < last for first, last in secrets(text))


def _difference(before: str, after: str) -> tuple[int, int, int]:
    """before[start:end] became after[start:new_end]; as little as possible."""
    start = common_length(before, after)
    same = common_length(before[start:][::-1], after[start:][::-1])
    return start, len(before) - same, len(after) - same


def _is_word(character: str) -> bool:
    return _WORD.match(character) is not None
