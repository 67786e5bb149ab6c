"""Cases of three holes that depend on each other, and what is measured on them."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.engine.engine import Engine
from model.evaluation.holes import HOLES, NEAR, hole_cases, measure
from model.training.documents import Document

FUNCTION = """def area(width, height):
    if width < 0:
        raise ValueError(width)
    total = width * height  # width by height
    print("width", self.width)
    return total
"""
DOCUMENTS = [Document("shapes", f"{n}.py", FUNCTION.replace("area", f"area_{n}") * 3) for n in range(5)]


def test_a_case_is_one_name_in_three_lines_that_stand_near_each_other() -> None:
    cases = hole_cases(DOCUMENTS, 30)
    assert len(cases) == 30
    texts = [document.text for document in DOCUMENTS]
    for case in cases:
        assert len(case.parts) == HOLES + 1
        assert case.name.join(case.parts) in texts
        assert all("\n" in part for part in case.parts[1:-1])
        assert sum(part.count("\n") for part in case.parts[1:-1]) < NEAR
        for before, after in zip(case.parts, case.parts[1:], strict=False):
            assert not before[-1:].isalnum()
            assert before[-1:] not in ('"', "_", ".")
            assert not after[:1].isalnum()
            assert "#" not in before.rpartition("\n")[2]


def test_the_same_seed_draws_the_same_cases_and_another_others() -> None:
    assert hole_cases(DOCUMENTS, 10) == hole_cases(DOCUMENTS, 10)
    assert hole_cases(DOCUMENTS, 10) != hole_cases(DOCUMENTS, 10, seed=1)


def test_code_without_such_names_has_no_cases() -> None:
    assert hole_cases([Document("a", "a.py", "x = 1\n" * 100)], 5) == []


def test_all_ways_are_measured_on_the_same_cases(bundled: Engine, tmp_path: Path) -> None:
    (tmp_path / "shapes").mkdir()
    (tmp_path / "shapes" / "a.py").write_text(FUNCTION * 3)
    ways = measure(bundled, tmp_path, 3)
    assert [way.n for way in ways] == [3] * 4
    assert ways[0].ahead.value == 0
    for way in ways:
        assert 0 <= way.all_right.value <= way.holes_right.value <= 1
        assert way.all_right.value <= way.agree.value
        assert way.ahead.value == pytest.approx(way.all_right.value - ways[0].all_right.value)
        assert way.passes.value >= 1
