"""An engine that was told of a project writes what stands in its other files, as they are now."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from model.engine import projects
from model.engine.engine import Engine
from model.infilling import repeats
from model.infilling.request import InfillRequest

LINE = "quotient = gloxinia_quotient(alpha_bed, beta_bed)"
FILE = f"def plant(alpha_bed, beta_bed):\n    {LINE}\n    return quotient\n"
TYPED = "import os\n\n\ndef weed(alpha_bed, beta_bed):\n    quotient = gloxinia_"


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine.load()
    yield engine
    engine.close()


def written(engine: Engine, project: str = "garden", name: str = "weeds.py") -> str:
    found = engine.infill(InfillRequest((TYPED, "\n"), project=(project, name), single_line=True, branches=0))
    return found.candidates[0].text if found.candidates else ""


def test_what_stands_in_another_file_is_copied_as_long_as_it_stands_there(engine: Engine) -> None:
    assert written(engine) not in LINE
    engine.tell("garden", {"plants.py": FILE}, whole=True).result()
    assert TYPED.rpartition("\n")[2].strip() + written(engine) == LINE
    engine.tell("garden", {"plants.py": FILE.replace("_quotient", "_product")}).result()
    assert written(engine).startswith("product")
    engine.tell("garden", {}, ["plants.py"]).result()
    assert written(engine) not in LINE


def test_the_file_itself_is_no_other_file(engine: Engine) -> None:
    engine.tell("garden", {"plants.py": FILE}, whole=True).result()
    assert written(engine, name="plants.py") == written(engine, project="") != written(engine)


def test_drafts_from_there_save_passes(engine: Engine) -> None:
    engine.tell("garden", {"plants.py": FILE}, whole=True).result()
    request = InfillRequest((TYPED, "\n"), project=("garden", "weeds.py"), single_line=True)
    drafted = engine.infill(request)
    one_by_one = engine.infill(InfillRequest(**{**vars(request), "drafts": False}))
    assert drafted.candidates[0].text == one_by_one.candidates[0].text
    assert drafted.steps < one_by_one.steps / 2


def test_a_line_that_stands_in_another_file_is_likelier(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.tell("garden", {"plants.py": FILE}, whole=True).result()
    request = InfillRequest((TYPED, "\n"), project=("garden", "weeds.py"), single_line=True, branches=0)
    likely = engine.infill(request).candidates[0]
    monkeypatch.setattr(repeats, "FARTHER_AWAY", 0.0)
    without = engine.infill(request).candidates[0]
    assert likely.text == without.text
    assert likely.score == pytest.approx(min(0.0, without.score + 1))
    assert likely.score > without.score


def test_who_names_a_project_that_the_engine_does_not_know_is_told_so_and_answered(engine: Engine) -> None:
    request = InfillRequest((TYPED, "\n"), project=("garden", "weeds.py"), single_line=True)
    found = engine.infill(request)
    assert found.candidates
    assert not found.knows_project
    engine.tell("garden", {"plants.py": FILE}).result()  # a change of what it does not know
    assert not engine.infill(request).knows_project
    engine.tell("garden", {}, whole=True).result()
    assert engine.infill(request).knows_project
    assert engine.infill(InfillRequest((TYPED, "\n"))).knows_project


def test_of_many_projects_those_asked_for_last_are_kept(engine: Engine) -> None:
    for number in range(projects.KEPT + 1):
        engine.tell(f"garden {number}", {"plants.py": FILE}, whole=True).result()
        written(engine, "garden 0")
    known = [
        engine.infill(InfillRequest((TYPED, "\n"), project=(f"garden {number}", ""), max_tokens=2)).knows_project
        for number in range(projects.KEPT + 1)
    ]
    assert known == [True, False, *[True] * (projects.KEPT - 1)]


def test_of_a_project_that_is_too_large_a_part_is_kept(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projects, "MOST_TOKENS", 60)
    engine.tell("garden", {"plants.py": FILE, "more.py": "x = 1\n" * 200, "last.py": "y = 2\n"}, whole=True).result()
    index = engine._resources.projects.index_of("garden")
    assert index is not None
    assert sum(end - start for start, end in index.spans.values()) == 60
    assert TYPED.rpartition("\n")[2].strip() + written(engine) == LINE
