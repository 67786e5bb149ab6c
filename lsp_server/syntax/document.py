"""A text and its syntax tree, which follows the text's changes at a cost that grows with the change.

Knows text, bytes and trees. Knows no editor and no place in the text. What the tree says is read in `places`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tree_sitter import Node, Parser, Point, Tree

from lsp_server.syntax.grammars import Grammar, grammar_of
from model.tokenization.agreement import common_length

CHUNK = 1_024  # bytes handed to the parser at a time


@dataclass(frozen=True)
class Document:
    """Never changes: a changed text is another document. Without a grammar there is no tree."""

    text: str
    language: str
    grammar: Grammar | None
    source: bytes
    tree: Tree | None
    bytes_read: int  # by the parser, for this tree

    @classmethod
    def parsed(cls, text: str, language: str) -> Document:
        grammar, source = grammar_of(language), _encoded(text)
        tree, read = _parsed(grammar, source, None)
        return cls(text, language, grammar, source, tree, read)

    def with_text(self, text: str) -> Document:
        """The document of another text: only what the change touches is parsed again."""
        if text == self.text:
            return self
        source, old = _encoded(text), None
        if self.tree is not None:
            old = _edited(self.tree, self.source, source)
        tree, read = _parsed(self.grammar, source, old)
        return Document(text, self.language, self.grammar, source, tree, read)

    def with_insertion(self, at: int, text: str) -> Document:
        return self.with_text(self.text[:at] + text + self.text[at:])

    def byte_at(self, offset: int) -> int:
        return offset if self.text.isascii() else len(_encoded(self.text[:offset]))

    def faults(self) -> Iterator[Node]:
        """The places that do not parse: unexpected and missing nodes."""
        return iter(()) if self.tree is None else _faults(self.tree.root_node)


def _faults(root: Node) -> Iterator[Node]:
    stack = [root] if root.has_error else []
    while stack:
        node = stack.pop()
        if node.is_error or node.is_missing:
            yield node
        stack.extend(child for child in node.children if child.has_error)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _parsed(grammar: Grammar | None, source: bytes, old: Tree | None) -> tuple[Tree | None, int]:
    if grammar is None:
        return None, 0
    read = 0

    def chunk(at: int, _: Point) -> bytes:
        nonlocal read
        found = source[at : at + CHUNK]
        read += len(found)
        return found

    # A parser holds state while it parses, so each call has its own: this runs on more than one thread.
    parser = Parser(grammar.language)
    tree = parser.parse(chunk) if old is None else parser.parse(chunk, old)
    return tree, read


def _edited(tree: Tree, old: bytes, new: bytes) -> Tree:
    """A copy of the tree that knows which bytes changed."""
    start = common_length(old, new)
    behind = common_length(old[: start - len(old) - 1 : -1], new[: start - len(new) - 1 : -1])
    old_end, new_end = len(old) - behind, len(new) - behind
    edited = tree.copy()
    edited.edit(start, old_end, new_end, _point(old, start), _point(old, old_end), _point(new, new_end))
    return edited


def _point(source: bytes, at: int) -> Point:
    return Point(source.count(b"\n", 0, at), at - source.rfind(b"\n", 0, at) - 1)
