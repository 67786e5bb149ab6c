"""What stands at a place in a text: how much may be written there, whether something is missing, where silence is better.

Knows syntax trees, and for languages without a grammar what any text shows. Knows no model and no editor.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from tree_sitter import Node

from lsp_server.context.window import cut_window
from lsp_server.syntax.document import Document

# An identifier put at the cursor. Where the parser finds a place for it is what the cursor's place is: a cursor alone
# has no width, and the node "at" it is as often the one behind as the one in front.
_PROBE = "quickfill_cursor"

_CODE_IN_STRINGS = {"interpolation", "template_substitution", "interpolated_expression", "command_substitution", "jsx_expression"}
_CHARACTERS = {"character_literal", "char_literal", "rune_literal"}
_NAMES_A_MODULE = re.compile(r"\b(?:import|from|require|include|use|source|load)\b")
_ONLY_CLOSES = re.compile(r"""[)\]}>;,:"'`\s]*$""")
_CLOSES = re.compile(r"""[)\]}>;,:"'`]|#|//""")  # or is a comment
_BREAK = re.compile(r"[\r\n]")
_BELOW = re.compile(r"(?:\r\n|\r|\n)([^\r\n]*)")
_NEXT_TEXT = re.compile(r"\s*[\r\n]([^\r\n]*\S[^\r\n]*)")

# What is parsed around a cursor: enough for the statement it is in, and never more, however long the file is. It begins with
# the line of its first `FIRST` characters that is least indented, and in no string.
BEFORE, AFTER, FIRST = 6_000, 2_000, 2_000
_STARTS = re.compile(r"^([ \t]*)(?=[^\s)\]}#*/])", re.MULTILINE)
_LONG_QUOTES = ('"""', "'''")  # of strings that go on over lines

Extent = Literal["rest of line", "line", "block"]
Quiet = Literal["middle of a word", "behind a finished name", "comment", "string"]


@dataclass(frozen=True)
class Cursor:
    """A place between two characters of a document."""

    document: Document
    offset: int

    @property
    def left(self) -> str:
        """The line up to the cursor."""
        text = self.document.text
        return text[max(text.rfind("\n", 0, self.offset), text.rfind("\r", 0, self.offset)) + 1 : self.offset]

    @property
    def right(self) -> str:
        """The line from the cursor on."""
        return self.document.text[self.offset : self._line_end]

    @property
    def below(self) -> str:
        """The line right below."""
        found = _BELOW.match(self.document.text, self._line_end)
        return found[1] if found else ""

    @property
    def next_line(self) -> str:
        """The next line below that has text."""
        found = _NEXT_TEXT.match(self.document.text, self._line_end)
        return found[1] if found else ""

    @property
    def _line_end(self) -> int:
        found = _BREAK.search(self.document.text, self.offset)
        return found.start() if found else len(self.document.text)

    @cached_property
    def probed(self) -> Document:
        return self.document.with_insertion(self.offset, _PROBE)

    @cached_property
    def probe(self) -> Node | None:
        if self.probed.tree is None:
            return None
        # The last byte of the probe: letters before the cursor belong to the same name, letters after it do too.
        at = self.document.byte_at(self.offset)
        return self.probed.tree.root_node.descendant_for_byte_range(at + 1, at + 2)


def cursor_in(text: str, offset: int, language: str, earlier: Document | None = None) -> Cursor:
    """The cursor at an offset of a text, in what is parsed around it. `earlier` was around a place nearby, some keys ago."""
    window = cut_window(text, ((offset, offset),), BEFORE, AFTER)
    before, after = window.parts
    if len(before) < offset:
        opened = {quotes: text.count(quotes, 0, offset) - before.count(quotes) for quotes in _LONG_QUOTES}
        before = before[_start(before, opened) :]
    if earlier is not None and earlier.language == language:
        return Cursor(earlier.with_text(before + after), len(before))
    return Cursor(Document.parsed(before + after, language), len(before))


def _start(text: str, opened: Mapping[str, int]) -> int:
    """Where to begin reading a text that begins anywhere. `opened`: how often the quotes of long strings stand before it."""
    least, start = len(text), 0
    for found in _STARTS.finditer(text):
        at, indented = found.start(), len(found[1])
        if least == 0 or (at > FIRST and least < len(text)):
            break
        if indented < least and not any((count + text.count(quotes, 0, at)) % 2 for quotes, count in opened.items()):
            least, start = indented, at
    return start


def extent(cursor: Cursor) -> Extent:
    """How much makes sense here. A block: on a blank line where no statement goes on below, and in an empty body."""
    if cursor.right.strip() or _text_around(cursor):
        return "rest of line"
    if not cursor.left.strip():
        return "line" if _runs_on(cursor) else "block"
    return "block" if _opens_empty_body(cursor) else "rest of line"


def quiet(cursor: Cursor) -> Quiet | None:
    """Why nothing should be suggested here to a person who did not ask; None where that is welcome."""
    left, right = cursor.left, cursor.right
    if _is_word(right[:1]):
        return "middle of a word" if _is_word(left[-1:]) else None
    # Closing brackets and what parts arguments follow a name that is still being written; anything else was written after it.
    if _is_word(left[-1:]) and right.strip() and not _CLOSES.match(right.lstrip()) and not _is_at_error(cursor):
        return "behind a finished name"
    found = _text_around(cursor)
    if found == "string" and (
        _NAMES_A_MODULE.search(left) or (cursor.document.grammar and cursor.document.grammar.strings_are_data)
    ):
        return None
    return found


def is_unfinished(cursor: Cursor) -> bool:
    """Whether something must stand at the cursor: a name put there repairs the syntax (`return os.path.`, `x = `)."""
    return parse_errors(cursor.probed) < parse_errors(cursor.document)


def parse_errors(document: Document) -> int:
    """The number of places where the text is not of its language; 0 for a language without a grammar."""
    return sum(1 for _ in document.faults())


def parse_error_delta(cursor: Cursor, insertion: str, replaced: int = 0) -> int:
    """How many errors a text adds that takes the place of `replaced` characters (negative: it repairs some)."""
    text, at = cursor.document.text, cursor.offset
    changed = cursor.document.with_text(text[:at] + insertion + text[at + replaced :])
    return parse_errors(changed) - parse_errors(cursor.document)


def indentation(line: str) -> int:
    expanded = line.expandtabs(8)
    return len(expanded) - len(expanded.lstrip())


def _is_word(character: str) -> bool:
    return character == "_" or character.isalnum()


def _is_at_error(cursor: Cursor) -> bool:
    """Whether what stands left of the cursor on its line does not parse: it is being written."""
    at = cursor.document.byte_at(cursor.offset)
    line = at - len(cursor.left.encode("utf-8", "replace"))
    return any(line <= fault.start_byte <= at or fault.start_byte <= line < fault.end_byte for fault in cursor.document.faults())


def _text_around(cursor: Cursor) -> Literal["comment", "string"] | None:
    """Whether the cursor stands in a comment or a string, closed or not (what is interpolated in one is code)."""
    node = cursor.probe
    while node is not None and node.type not in _CODE_IN_STRINGS:
        if "comment" in node.type:
            return "comment"
        if "string" in node.type or "heredoc" in node.type or node.type in _CHARACTERS:
            return "string"
        node = node.parent
    return "string" if node is None and _in_open_string(cursor) else None


def _in_open_string(cursor: Cursor) -> bool:
    """A string that is not closed leaves an error, and its text is parsed as code: its quotes are counted instead."""
    document = cursor.document
    tree = cursor.probed.tree
    if document.grammar is None or tree is None or not tree.root_node.has_error:
        return False
    quote = ""
    for character in re.findall(r"\\.|.", cursor.left):
        if character == quote:
            quote = ""
        elif not quote and character in document.grammar.quotes and len(character) == 1:
            quote = character
    return bool(quote) or _in_open_block_string(cursor)


def _in_open_block_string(cursor: Cursor) -> bool:
    """Whether a string of several lines was opened above and never closed: the parser leaves its opening quotes as an error."""
    at = cursor.document.byte_at(cursor.offset)
    for fault in cursor.probed.faults():
        for child in fault.children:
            quotes = cursor.probed.source[child.start_byte : child.end_byte]
            if child.end_byte <= at and child.type in ("string_start", '"""') and quotes.endswith((b'"""', b"'''")):
                return True
    return False


def _runs_on(cursor: Cursor) -> bool:
    """Whether the statements around a blank line go on right below it, at the same depth."""
    below = cursor.below
    return not _ONLY_CLOSES.match(below) and indentation(below) == indentation(cursor.left)


def _opens_empty_body(cursor: Cursor) -> bool:
    grammar = cursor.document.grammar
    if grammar is None:
        return cursor.left.rstrip().endswith((":", "{")) and indentation(cursor.next_line) <= indentation(cursor.left)
    if not grammar.opens.search(cursor.left) or indentation(cursor.next_line) > indentation(cursor.left):
        return False
    return cursor.document.language != "python" or _is_first_in_block(cursor.probe)


def _is_first_in_block(probe: Node | None) -> bool:
    """A colon also stands in slices, dictionaries and annotations; only where a block begins does the parser make one."""
    node = probe
    while node is not None and node.type != "block":
        node = node.parent
    return node is not None and probe is not None and node.start_byte == probe.start_byte
