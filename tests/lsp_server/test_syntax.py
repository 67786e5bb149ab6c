"""What Python's grammar says about a place in a text."""

from __future__ import annotations

import pytest

from lsp_server.syntax.python import invites_block, is_unfinished, parse_error_delta


@pytest.mark.parametrize(
    ("before", "after", "block"),
    [
        ("def f():\n    ", "\n", True),
        ("if a:", "\n", True),
        ("if a:", "\n    return 1\n", False),
        ("x = ", "\n", False),
        ("x = 1\n", "\ny = 2\n", True),
        ("f(", ")\n", False),
        ("# note:\n#", "\n", False),
        ('"""a:\n', "\n", False),
        ("d = {1:", "\n", False),
    ],
)
def test_several_lines_are_suggested_where_the_syntax_invites_them(before: str, after: str, block: bool) -> None:
    assert invites_block(before, after) == block


@pytest.mark.parametrize(
    ("before", "after", "unfinished"),
    [("return os.path.", "\n", True), ("x = ", "\n", True), ("x = 1", "\n", False), ("", "\n", False), ("f(a)", "\n", False)],
)
def test_a_place_where_something_is_missing_is_found(before: str, after: str, unfinished: bool) -> None:
    assert is_unfinished(before, after) == unfinished


def test_an_insertion_is_charged_with_the_errors_it_adds() -> None:
    assert parse_error_delta("x = ", "1", "\n") < 0
    assert parse_error_delta("x = 1", ")", "\n") > 0
    assert parse_error_delta("x = 1", " + 2", "\n") == 0
