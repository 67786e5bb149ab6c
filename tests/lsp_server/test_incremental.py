"""A text that differs little from one parsed before: the same tree as from nothing, for less work."""

from __future__ import annotations

import tree_sitter_python
from hypothesis import given
from hypothesis import strategies as st
from tree_sitter import Language, Node, Parser

from lsp_server.syntax.incremental import Trees, edit_between

LANGUAGE = Language(tree_sitter_python.language())
TEXT = "def f(a, b):\n    return a + b\n\n\n" * 40
EDITS = st.lists(
    st.tuples(st.integers(0, len(TEXT)), st.integers(0, 30), st.text(alphabet="ab (:\n\té😀'\"#", max_size=12)), max_size=8
)


def written(node: Node) -> str:
    return f"({node.type} {node.start_byte} {node.end_byte} {node.is_missing} {' '.join(map(written, node.children))})"


@given(EDITS)
def test_after_any_edits_the_tree_is_that_of_parsing_from_nothing(edits: list[tuple[int, int, str]]) -> None:
    trees, text = Trees(LANGUAGE), TEXT
    for at, deleted, inserted in edits:
        text = text[:at] + inserted + text[at + deleted :]
        found, expected = trees.of(text).root_node, Parser(LANGUAGE).parse(text.encode()).root_node
        # What is an error is a matter of recovery, which may take another way: whole texts are equal node for node.
        assert found.has_error == expected.has_error
        if not expected.has_error:
            assert written(found) == written(expected)


@given(st.binary(max_size=30), st.binary(max_size=30), st.binary(max_size=30), st.binary(max_size=30))
def test_what_is_taken_to_differ_is_all_that_differs(head: bytes, old: bytes, new: bytes, tail: bytes) -> None:
    before, after = head + old + tail, head + new + tail
    start, old_end, new_end = edit_between(before, after)
    assert before[:start] + after[start:new_end] + before[old_end:] == after
    assert old_end - start <= len(old) or old_end - start <= len(before)
    assert start >= len(head) or before[:start] == after[:start]
