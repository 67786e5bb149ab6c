"""A syntax tree that follows what is typed."""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tree_sitter import Node

from lsp_server.syntax.document import CHUNK, Document

SMALL, LARGE = (Path(module.__file__).read_text("utf-8") for module in (textwrap, argparse))
PIECES = st.text(st.sampled_from(list("ab(): \n\r\"'#éß😀=")), max_size=8)


def shape(node: Node) -> list[tuple[str, int, int, bool]]:
    return [
        (node.type, node.start_byte, node.end_byte, node.is_missing),
        *(one for child in node.children for one in shape(child)),
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 30), PIECES), max_size=6))
def test_after_any_edits_the_tree_is_that_of_the_text_read_anew(edits: list[tuple[int, int, str]]) -> None:
    document = Document.parsed(SMALL[:400], "python")
    for at, deleted, inserted in edits:
        document = document.with_text(document.text[:at] + inserted + document.text[at + deleted :])
    fresh = Document.parsed(document.text, "python")
    assert document.tree is not None
    assert fresh.tree is not None
    if not fresh.tree.root_node.has_error:  # how mistakes are recovered from may depend on what was known before
        assert shape(document.tree.root_node) == shape(fresh.tree.root_node)
    assert document.tree.root_node.has_error == fresh.tree.root_node.has_error
    assert document.source == document.text.encode()


def bytes_read_for_a_letter(text: str, place: str, language: str) -> int:
    return Document.parsed(text, language).with_insertion(text.index(place, len(text) // 2), "b").bytes_read


def test_what_is_read_for_an_edit_does_not_grow_with_the_text() -> None:
    few, many = ("package a\n" + "var a = 1\n" * count for count in (1_000, 10_000))
    assert bytes_read_for_a_letter(many, "a = 1", "go") == bytes_read_for_a_letter(few, "a = 1", "go") <= 2 * CHUNK


def test_where_line_ends_matter_typing_reads_a_part_of_the_text() -> None:
    """The grammars of Python and JavaScript look at line ends themselves, and tree-sitter has them look again."""
    whole = Document.parsed(LARGE, "python").bytes_read
    assert bytes_read_for_a_letter(LARGE, "self.prog = prog", "python") < whole / 3


def test_a_text_that_did_not_change_is_not_read() -> None:
    document = Document.parsed(SMALL, "python")
    assert document.with_text(SMALL) is document


def test_places_are_found_behind_characters_of_several_bytes() -> None:
    document = Document.parsed("é = '😀'\n", "python")
    assert document.byte_at(5) == len("é = '".encode())


def test_half_a_character_does_not_stop_the_parser() -> None:
    assert Document.parsed("a = '\ud83d'\n", "python").with_insertion(0, "b\n").tree is not None
