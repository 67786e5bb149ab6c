"""From candidates to suggestions: a row of small filters, each of which knows one way in which a text does not fit.

Knows texts around a hole and candidates for it. Knows no model, no editor and no positions. A filter returns the text that is
left, "" for none. What the filters did is counted by their names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from lsp_server.context.secrets import SECRET
from lsp_server.syntax.places import Cursor, indentation, parse_error_delta
from model.infilling.request import Candidate

MOST_LINES_BELOW = 8  # that are compared
_CLOSING_LINE = re.compile(r"\s*(?:[)\]}>]+[;,]?|end|fi|done|esac|</\w+>)\s*$")
_GOES_ON = re.compile(
    r"\s*(?:[})\]]*\s*(?:else|elif|elsif|elseif|except|finally|catch|rescue|ensure|until|case|default|when)\b|\}\s*while\b|\{)"
)
_CLOSERS = re.compile(r"[)\]}>\"'`;,:\s]*$")
_PAIRS = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True)
class Around:
    """What stands around a hole. Without a cursor (several holes) syntax is not asked."""

    before: str
    after: str
    cursor: Cursor | None = None

    @property
    def left(self) -> str:
        return self.before.rsplit("\n", 1)[-1]

    @property
    def rest(self) -> str:
        """Of the hole's last line."""
        return self.after.partition("\n")[0]

    @property
    def lines_below(self) -> list[str]:
        """Those with text."""
        return [line for line in self.after.split("\n")[1:] if line.strip()][:MOST_LINES_BELOW]

    def errors_added(self, text: str, replaced: int = 0) -> int:
        return 0 if self.cursor is None else parse_error_delta(self.cursor, text, replaced)


@dataclass(frozen=True)
class Suggestion(Candidate):
    replaced: int = 0  # characters right of a single hole that are part of the text and make way for it


class Filter(NamedTuple):
    name: str
    apply: Callable[[str, Around], str]
    complaint: str  # where it leaves nothing


@dataclass(frozen=True)
class Filtered:
    """The suggestions, best first, and what each filter did: one name for each candidate that it changed or dropped."""

    suggestions: tuple[Suggestion, ...]
    changed: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()

    @property
    def complaint(self) -> str | None:
        return None if self.suggestions or not self.dropped else _COMPLAINTS[self.dropped[0]]


def without_trailing_blanks(text: str, around: Around) -> str:
    return text.rstrip() if not around.rest.strip() and not text.endswith("\n") else text


def without_doubled_indentation(text: str, around: Around) -> str:
    """On a line that is indented already, the first line without blanks of its own, unless it parses only with them."""
    stripped = text.lstrip(" \t")
    if not around.left or around.left.strip() or stripped == text or not stripped.strip() or stripped.startswith("\n"):
        return text
    return stripped if around.errors_added(stripped) <= around.errors_added(text) else text


def in_the_files_indentation(text: str, around: Around) -> str:
    """Lines behind the first with tabs where the file has tabs, with blanks where it has blanks."""
    first, *lines = text.split("\n")
    file = re.findall(r"^[ \t]+(?=\S)", around.before + around.after, re.MULTILINE)
    tabs = sum(white.startswith("\t") for white in file)
    if not lines or not file or 0 < tabs < len(file):
        return text
    if tabs:
        unit = _unit(lines)
        return "\n".join([first, *(_as_tabs(line, unit) for line in lines)])
    blanks = " " * _unit(file)
    return "\n".join([first, *(re.sub(r"^\t+", lambda found: blanks * len(found[0]), line) for line in lines)])


def _unit(lines: Iterable[str]) -> int:
    """How many blanks one step of the indentation has."""
    widths = {len(line) - len(line.lstrip(" ")) for line in lines}
    return min(widths - {0}, default=4)


def _as_tabs(line: str, unit: int) -> str:
    blanks = len(line) - len(line.lstrip(" "))
    return "\t" * (blanks // unit) + line[blanks // unit * unit :]


def within_the_block(text: str, around: Around) -> str:
    """Up to the first line that leaves the block the cursor is in, or the one that the cursor's line opens; a line that closes
    it may stand at the end."""
    first, *lines = text.split("\n")
    depth = indentation((around.left + first) if not around.left.strip() else around.left)
    opens = bool(around.left.strip()) and _opens_a_block(around.left + first, around)
    for number, line in enumerate(lines):
        if line.strip() and (indentation(line) < depth or (opens and indentation(line) == depth and not _GOES_ON.match(line))):
            return "\n".join([first, *lines[: number + bool(_CLOSING_LINE.match(line))]]).rstrip()
    return text


def _opens_a_block(line: str, around: Around) -> bool:
    grammar = around.cursor.document.grammar if around.cursor else None
    return line.rstrip().endswith((":", "{")) if grammar is None else bool(grammar.opens.search(line))


def without_repetition(text: str, around: Around) -> str:
    """Without what it says again and again, and nothing if it says once more what stands right above."""
    lines = text.split("\n")
    stripped = [line.strip() for line in lines]
    above = [line.strip() for line in around.before.split("\n")[:-1] if line.strip()][-MOST_LINES_BELOW:]
    said = [line.strip() for line in [around.left + lines[0], *lines[1:]] if line.strip()]
    if not around.rest.strip() and said and _says_much(said) and above[-len(said) :] == said:
        return ""
    for size in range(1, len(lines) // 2 + 1):
        for start in range(len(lines) - 2 * size + 1):
            block = stripped[start : start + size]
            if _says_much(block) and stripped[start + size : start + 2 * size] == block:
                return "\n".join(lines[: start + size])
    return text


def without_what_stands_below(text: str, around: Around) -> str:
    """Without last lines that are the next ones of the file."""
    lines = text.split("\n")
    whole = [around.left + lines[0], *lines[1:]]
    said = [line.strip() for line in whole if line.strip()]
    below = [line.strip() for line in around.lines_below]
    if around.rest.strip():
        return text
    for count in range(min(len(said), len(below)), 0, -1):
        tail = said[-count:]
        if tail == below[:count] and _says_much(tail):
            return "\n".join(lines[: _start_of_last(whole, count)])
    return text


def without_a_closing_line_that_stands(text: str, around: Around) -> str:
    """Without a last line that only closes what the next line of the file closes at the same depth."""
    lines = text.rstrip().split("\n")
    next_line = next(iter(around.lines_below), "")
    if len(lines) < 2 or around.rest.strip() or lines[-1].rstrip() != next_line.rstrip() or not _CLOSING_LINE.match(lines[-1]):
        return text
    shorter = "\n".join(lines[:-1])
    return shorter if around.errors_added(shorter) <= around.errors_added(text) else text


def without_a_half_line(text: str, around: Around) -> str:
    """Several lines without the last one, if that is what does not parse."""
    shorter, line_break, last = text.rstrip().rpartition("\n")
    if not line_break or not shorter.strip() or not last.strip():
        return text
    return shorter.rstrip() if around.errors_added(shorter) < around.errors_added(text) else text


def without_the_rest_of_the_line(text: str, around: Around) -> str:
    """Without what stands right of the cursor: all of it, or (`amount)` before `)`) its end where that parses better."""
    rest = around.rest.strip()
    if not rest:
        return text
    if text.strip() == rest:
        return ""
    shorter = text.rstrip().removesuffix(rest)
    if not shorter or shorter == text.rstrip():
        return text
    if around.cursor is None or around.cursor.document.tree is None:
        return shorter if _CLOSERS.match(rest) and _balance(text) < 0 else text
    return shorter if around.errors_added(shorter) < around.errors_added(text) else text


def without_secrets(text: str, around: Around) -> str:
    """Nothing that has the word which stands for a secret in what the model sees."""
    return "" if SECRET in text else text


FILTERS = (
    Filter("secrets", without_secrets, "the suggestion repeats what stands for a secret"),
    Filter("the rest of the line", without_the_rest_of_the_line, "the suggestion repeats what follows"),
    Filter("repetition", without_repetition, "the suggestion repeats the lines above"),
    Filter("the lines below", without_what_stands_below, "the suggestion repeats what follows"),
    Filter("scope", within_the_block, "the suggestion left the block"),
    Filter("doubled indentation", without_doubled_indentation, "the suggestion was only white space"),
    Filter("tabs and blanks", in_the_files_indentation, "the suggestion was only white space"),
    Filter("closing line", without_a_closing_line_that_stands, "the suggestion repeats what follows"),
    Filter("half a line", without_a_half_line, "the suggestion was half a line"),
    Filter("trailing blanks", without_trailing_blanks, "the suggestion was only white space"),
)
BLANK, SYNTAX, REPLACED, DOUBLE = "blank", "syntax errors", "replaces the rest of the line", "shown already"
_COMPLAINTS = {
    **{one.name: one.complaint for one in FILTERS},
    BLANK: "the suggestion was only white space",
    SYNTAX: "the suggestion does not parse",
}


def suggestions(
    candidates: Sequence[Candidate],
    parts: Sequence[str],
    cursor: Cursor | None = None,
    may_replace: bool = False,
    unasked: bool = False,
) -> Filtered:
    """The candidates worth showing, tidied; those that parse come before those that do not.

    `parts` are the visible texts around the holes, `cursor` is the place of a single one in its surroundings. What adds syntax
    errors is not shown to a person who did not ask.
    """
    kept: list[tuple[int, Suggestion]] = []
    changed: list[str] = []
    dropped: list[str] = []
    for candidate in candidates:
        arounds = [Around(before, after, cursor) for before, after in pairwise(parts)]
        texts, names = zip(*(_filtered(text, around) for text, around in zip(candidate.texts, arounds, strict=True)), strict=True)
        applied = [name for some in names for name in some]
        if not any(text.strip() for text in texts):
            dropped.append(applied[-1] if applied else BLANK)
            continue
        changed += applied
        replaced = _replaced(texts[0], arounds[0]) if may_replace and len(texts) == 1 else 0
        if replaced:
            changed.append(REPLACED)
        errors = _errors_that_stay(texts[0], arounds[0], replaced)
        if unasked and candidate.whole and errors > 0:
            dropped.append(SYNTAX)
        elif (texts, replaced) in [(other.texts, other.replaced) for _, other in kept]:
            dropped.append(DOUBLE)
        else:
            kept.append(
                (errors, Suggestion(texts, candidate.score, candidate.confidence, candidate.parts, candidate.whole, replaced))
            )
    kept.sort(key=lambda one: one[0])
    return Filtered(tuple(suggestion for _, suggestion in kept), tuple(changed), tuple(dropped))


def _filtered(text: str, around: Around) -> tuple[str, list[str]]:
    """What all filters leave of a text, and the names of those that changed it, up to the one that left nothing."""
    names = []
    for one in FILTERS:
        fitted = one.apply(text, around)
        if fitted != text:
            names.append(one.name)
        text = fitted
        if not text.strip():
            break
    return text, names


def _replaced(text: str, around: Around) -> int:
    """How much of the rest of the line makes way: all of it, if it is closing brackets that the text has, too."""
    rest = around.rest.rstrip()
    if not rest or not _CLOSERS.match(rest) or around.cursor is None or not any(closer in text for closer in rest.strip()):
        return 0
    return len(rest) if around.errors_added(text, len(rest)) < around.errors_added(text) else 0


def _errors_that_stay(text: str, around: Around, replaced: int) -> int:
    """Syntax errors that a text adds and that closing its open brackets does not take away: it may be the beginning of more."""
    added = around.errors_added(text, replaced)
    return min(added, around.errors_added(text + _open_brackets(text), replaced)) if added > 0 else added


def _open_brackets(text: str) -> str:
    """What closes the brackets that the text opens, innermost first. Brackets in strings count, too: it is for a guess."""
    closers: list[str] = []
    for character in text:
        if character in _PAIRS:
            closers.append(_PAIRS[character])
        elif closers and character == closers[-1]:
            closers.pop()
    return "".join(reversed(closers))


def _balance(text: str) -> int:
    return sum(text.count(opening) - text.count(closing) for opening, closing in _PAIRS.items())


def _start_of_last(lines: Sequence[str], count: int) -> int:
    """Where the last so many lines with text begin."""
    return [number for number, line in enumerate(lines) if line.strip()][-count]


def _says_much(lines: Sequence[str]) -> bool:
    """`return None` below a suggested `return None` is often right; a longer repetition never is."""
    return sum(len(line.strip()) for line in lines) > 12
