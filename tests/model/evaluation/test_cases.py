"""Where a person would ask, told apart by the cursor, and what can be answered there without a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.evaluation.baselines import copied, floor
from model.evaluation.cases import Case, Kind, blocks, kind_of_line_end, line_ends, read_code, whole_lines, within_lines
from model.tokenization.tokenizer import Tokenizer
from model.training.documents import Document

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("    |x = 1", Kind.LINE_START),
        ("x.y|z", Kind.IDENTIFIER),
        ("f(na|me)", Kind.IDENTIFIER),
        ("x.|y", Kind.DOT),
        ("f(a.|b)", Kind.DOT),
        ("f(|a)", Kind.CALL),
        ("f(a, | b)", Kind.CALL),
        ("f(a, (|1, 2))", Kind.CALL),
        ("f(a)| + 1", Kind.ELSEWHERE),
        ("x = (|1, 2)", Kind.ELSEWHERE),
        ("x = 1.|5", Kind.ELSEWHERE),
        ("re|turn x", Kind.ELSEWHERE),
        ("print('a.|b')", Kind.TEXT),
        ("x = 1  # as | said", Kind.TEXT),
        ("x = f'{a.|b}'", Kind.DOT),
        ("x = f'{f(| 1)}'", Kind.CALL),
        ("größe = f(ä, |b)", Kind.CALL),
    ],
)
def test_the_cursor_tells_the_kind(line: str, kind: Kind) -> None:
    before, after = line.split("|")
    assert kind_of_line_end("import os\n" + before, after + "\n") is kind


@pytest.fixture(scope="module")
def own_code() -> list[Document]:
    return read_code(ROOT / "model")


def test_a_case_is_a_piece_of_its_file(own_code: list[Document]) -> None:
    texts = [document.text for document in own_code]
    for case in [*line_ends(own_code, 40), *within_lines(own_code, 40), *whole_lines(own_code, 20), *blocks(own_code, 20)]:
        assert any(case.prefix + case.hidden + case.suffix in text for text in texts)


def test_each_sample_hides_what_it_says(own_code: list[Document]) -> None:
    for case in line_ends(own_code, 40):
        assert "\n" not in case.hidden
        assert len(case.hidden) >= 4 or case.kind is Kind.LINE_START
        assert case.suffix[:1] in ("\n", "")
    for case in within_lines(own_code, 40):
        assert case.hidden.strip()
        assert "\n" not in case.hidden
        assert case.suffix.partition("\n")[0].strip()
    for case in whole_lines(own_code, 20):
        assert case.prefix.endswith("\n") or not case.prefix
        assert case.hidden.count("\n") == 1
        assert case.hidden.strip()
    counts = {case.hidden.count("\n") for case in blocks(own_code, 60)}
    assert counts == {2, 3, 4, 5, 6}


def test_the_same_seed_asks_the_same(own_code: list[Document]) -> None:
    assert line_ends(own_code, 20) == line_ends(own_code, 20)
    assert line_ends(own_code, 20) != line_ends(own_code, 20, seed=1)


def test_the_folders_in_a_folder_are_the_packages(tmp_path: Path) -> None:
    for name in ("one/a.py", "two/deep/b.py", "c.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("value = 1\n" * 40)
    assert {document.package for document in read_code(tmp_path)} == {"one", "two", tmp_path.name}


def test_what_holds_no_code_is_named(tmp_path: Path) -> None:
    (tmp_path / "short.py").write_text("x = 1\n")
    with pytest.raises(ValueError, match="holds no Python files"):
        read_code(tmp_path)
    with pytest.raises(ValueError, match="neither a corpus file nor a folder"):
        read_code(tmp_path / "missing")


TWICE = "def area(width, height):\n    total = width * height\n    return total\n\n\ndef volume(width, height):\n"


def test_a_line_that_stood_before_is_copied(tokenizer: Tokenizer) -> None:
    end = Case(Kind.ELSEWHERE, "p", TWICE + "    total = width *", " height", "\n    return total\n")
    whole = Case(Kind.WHOLE_LINE, "p", TWICE, "    total = width * height\n", "    return total\n")
    block = Case(Kind.SEVERAL_LINES, "p", TWICE, "    total = width * height\n    return total\n", "\n\nmore = 1\n")
    for case in (end, whole, block):
        assert copied(tokenizer, case) == case.hidden


def test_a_copy_of_lines_ends_where_the_text_behind_the_hole_begins(tokenizer: Tokenizer) -> None:
    case = Case(Kind.SEVERAL_LINES, "p", TWICE, "    total = width * height\n", "    return total\n")
    assert copied(tokenizer, case) == case.hidden


def test_a_copy_ends_where_the_text_to_the_right_begins(tokenizer: Tokenizer) -> None:
    case = Case(Kind.WITHIN_LINE, "p", TWICE + "    total =", " width *", " height\n    return total\n")
    assert copied(tokenizer, case) == case.hidden


def test_nothing_is_copied_where_nothing_stood_before(tokenizer: Tokenizer) -> None:
    assert copied(tokenizer, Case(Kind.WHOLE_LINE, "p", "", "x = 1\n", "")) == ""


def test_the_floor_is_pass_as_deep_as_the_line_above_or_nothing() -> None:
    assert floor(Case(Kind.WHOLE_LINE, "p", "if a:\n    b()\n\n", "    c()\n", "")) == "    pass\n"
    assert floor(Case(Kind.DOT, "p", "a.", "b", "")) == ""
