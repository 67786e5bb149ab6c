"""Places in code where a person would ask, and what stood there: sampled from files, told apart by where the cursor is.

Knows files of code, lines and Python's syntax. Knows no model and no decoding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
import tree_sitter_python
from tree_sitter import Language, Parser

from model.infilling.request import InfillRequest
from model.training.documents import Document, read_documents

BEFORE, AFTER = 12_000, 6_000  # characters; what the language server looks at
SHORTEST_FILE = 200  # characters
MOST_LINES, BLOCK_TOKENS = 6, 160  # of several hidden lines

_LANGUAGE = Language(tree_sitter_python.language())


class Kind(StrEnum):
    """Where the cursor stands. Behind the first six the rest of a line is hidden; then a part of one, with text to its right; at
    the last two, lines with their breaks.
    """

    LINE_START = "line start"  # behind the indentation
    IDENTIFIER = "inside an identifier"
    DOT = "after a dot"
    CALL = "in a call's brackets"
    TEXT = "in a string or comment"
    ELSEWHERE = "elsewhere in a line"
    WITHIN_LINE = "text to the right"
    WHOLE_LINE = "whole line"
    SEVERAL_LINES = "several lines"


@dataclass(frozen=True)
class Case:
    kind: Kind
    package: str
    prefix: str
    hidden: str
    suffix: str

    def request(self) -> InfillRequest:
        parts = (self.prefix, self.suffix)
        if self.kind is Kind.SEVERAL_LINES:
            return InfillRequest(parts, max_tokens=BLOCK_TOKENS, allow_empty=False)
        if self.kind is Kind.WHOLE_LINE:
            return InfillRequest(parts, stop_after_line=True, allow_empty=False)
        return InfillRequest(parts, single_line=True, allow_empty=False)


def read_code(path: Path) -> list[Document]:
    """The files of a corpus (`.jsonl`) or of a folder of Python code. Raises ValueError if there is none.

    In a folder, the folders directly in it count as the packages.
    """
    if path.is_dir():
        files = sorted(path.rglob("*.py"))
        names = [file.relative_to(path) for file in files]
        documents = [
            Document(name.parts[0] if len(name.parts) > 1 else path.name, str(name), file.read_text("utf-8", "replace"))
            for name, file in zip(names, files, strict=True)
            if file.is_file()
        ]
    elif path.is_file():
        documents = read_documents(path)
    else:
        raise ValueError(f"{path} is neither a corpus file nor a folder")
    documents = [document for document in documents if len(document.text) > SHORTEST_FILE]
    if not documents:
        raise ValueError(f"{path} holds no Python files of more than {SHORTEST_FILE} characters")
    return documents


def line_ends(documents: Sequence[Document], count: int, seed: int = 0) -> list[Case]:
    """Hidden ends of lines: at least four characters, cut anywhere behind the indentation."""

    def draw(rng: np.random.Generator, document: Document, lines: list[str], number: int) -> Case | None:
        line = lines[number]
        indent = len(line) - len(line.lstrip())
        if len(line.strip()) < 8 or line.lstrip().startswith("#"):
            return None
        start = _offset(lines, number)
        cut = start + int(rng.integers(indent, max(indent + 1, len(line) - 4)))
        return _case(None, document, cut, start + len(line))

    return _sample(documents, count, seed, draw)


def within_lines(documents: Sequence[Document], count: int, seed: int = 0) -> list[Case]:
    """Hidden parts of lines, cut anywhere behind the indentation: something is hidden, and something stands to its right."""

    def draw(rng: np.random.Generator, document: Document, lines: list[str], number: int) -> Case | None:
        line = lines[number].rstrip()
        indent = len(line) - len(line.lstrip())
        if not _is_code(line) or len(line) - indent < 8:
            return None
        start, end = (_offset(lines, number) + cut for cut in sorted(rng.integers(indent, len(line), 2).tolist()))
        return _case(Kind.WITHIN_LINE, document, start, end) if document.text[start:end].strip() else None

    return _sample(documents, count, seed, draw)


def whole_lines(documents: Sequence[Document], count: int, seed: int = 0) -> list[Case]:
    """Hidden lines, with indentation and line break; neither blank nor a comment."""

    def draw(rng: np.random.Generator, document: Document, lines: list[str], number: int) -> Case | None:
        if number + 1 == len(lines) or not _is_code(lines[number]):
            return None
        return _case(Kind.WHOLE_LINE, document, _offset(lines, number), _offset(lines, number + 1))

    return _sample(documents, count, seed, draw)


def blocks(documents: Sequence[Document], count: int, seed: int = 0) -> list[Case]:
    """Two to six hidden lines; the first and the last are neither blank nor comments."""

    def draw(rng: np.random.Generator, document: Document, lines: list[str], number: int) -> Case | None:
        after = number + int(rng.integers(2, MOST_LINES + 1))
        if after >= len(lines) or not (_is_code(lines[number]) and _is_code(lines[after - 1])):
            return None
        return _case(Kind.SEVERAL_LINES, document, _offset(lines, number), _offset(lines, after))

    return _sample(documents, count, seed, draw)


def _sample(
    documents: Sequence[Document],
    count: int,
    seed: int,
    draw: Callable[[np.random.Generator, Document, list[str], int], Case | None],
) -> list[Case]:
    """Cases drawn at random lines of random files; fewer than `count` where hardly any line will do."""
    rng = np.random.default_rng(seed)
    cases: list[Case] = []
    tries = 0
    while len(cases) < count and tries < 50 * count:
        tries += 1
        document = documents[int(rng.integers(len(documents)))]
        lines = document.text.split("\n")
        case = draw(rng, document, lines, int(rng.integers(len(lines))))
        if case is not None:
            cases.append(case)
    return cases


def _case(kind: Kind | None, document: Document, cut: int, end: int) -> Case:
    text = document.text
    prefix, hidden, suffix = text[max(0, cut - BEFORE) : cut], text[cut:end], text[end : end + AFTER]
    return Case(kind or kind_of_line_end(prefix, hidden + suffix), document.package, prefix, hidden, suffix)


def kind_of_line_end(prefix: str, rest: str) -> Kind:
    """Where in the syntax the cursor between the two texts stands; code in an f-string's braces is code."""
    if not prefix.rpartition("\n")[2].strip():
        return Kind.LINE_START
    before = prefix.encode("utf-8", "replace")
    at = len(before)
    root = Parser(_LANGUAGE).parse(before + rest.encode("utf-8", "replace")).root_node
    around = root.descendant_for_byte_range(at - 1, at + 1)
    if around is not None and around.type == "identifier":
        return Kind.IDENTIFIER
    left = root.descendant_for_byte_range(at - 1, at)
    if left is not None and left.type == ".":
        return Kind.DOT
    node = around
    while node is not None and node.type != "interpolation":
        if node.type in ("string", "comment") and node.start_byte < at:
            return Kind.TEXT
        if node.type == "argument_list" and node.start_byte < at < node.end_byte:
            return Kind.CALL
        node = node.parent
    return Kind.ELSEWHERE


def _offset(lines: Sequence[str], number: int) -> int:
    return sum(len(line) + 1 for line in lines[:number])


def _is_code(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")
