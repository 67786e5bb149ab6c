"""Whether a line that was written stands in the text already, and what follows from that."""

from __future__ import annotations

import pytest

from model.engine import job
from model.engine.engine import Engine
from model.infilling.repeats import FARTHER_AWAY, NEAR, NEXT_TO_IT, Repeats
from model.infilling.request import InfillRequest

FILLER = "".join(f"filler_{number} = {number}\n\n" for number in range(NEAR))
ABOVE = f"import os\n\nleft.append(1)\n\n{FILLER}right.append(1)\n\n"
BELOW = f"\n\nleft.append(2)\n{FILLER}right.append(2)\n"


@pytest.mark.parametrize(
    ("before", "text", "behind", "gain"),
    [
        (ABOVE, "right.append(1)", BELOW, NEXT_TO_IT),
        (f"{ABOVE}    right", ".append(1)", BELOW, NEXT_TO_IT),
        (ABOVE, "left.append(2)", BELOW, NEXT_TO_IT),
        (ABOVE, "left.append", f"(2)  {BELOW}", NEXT_TO_IT),
        (ABOVE, "right.append(2)", BELOW, FARTHER_AWAY),
        (f"{ABOVE}le", "ft.append(1)\n", BELOW, FARTHER_AWAY),
        (ABOVE, f"filler_{NEAR - 1} = {NEAR - 1}", BELOW, 0),
        (ABOVE, "right.append", BELOW, 0),
        (ABOVE, "right.append(1)\nright.append(2)", BELOW, 0),
        (ABOVE, "", BELOW, 0),
        ("", "import os", "", 0),
    ],
)
def test_a_line_that_stands_next_to_the_hole_is_less_likely_and_one_farther_away_more(
    before: str, text: str, behind: str, gain: float
) -> None:
    assert Repeats(before, behind).gain(text) == gain


def test_a_line_of_another_text_is_likelier_unless_it_stands_near_the_hole_as_well() -> None:
    repeats = Repeats(ABOVE, BELOW, {"other.append(1)", "right.append(1)", f"filler_{NEAR - 1} = {NEAR - 1}"}.__contains__)
    assert repeats.gain("other.append(1)") == FARTHER_AWAY
    assert repeats.gain(f"filler_{NEAR - 1} = {NEAR - 1}") == 0
    assert repeats.gain("right.append(1)") == NEXT_TO_IT
    assert repeats.gain("other.append(2)") == 0


def test_the_scores_and_the_order_of_what_is_found_go_by_it(bundled: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    request = InfillRequest(("def area(width, height):\n    return wi", "\n"), single_line=True, candidates=3)
    usual = {candidate.text: candidate.score for candidate in bundled.infill(request).candidates}
    first = next(iter(usual))
    monkeypatch.setattr(job.Repeats, "gain", lambda self, text: -20.0 if text == first else 0.0)
    found = {candidate.text: candidate.score for candidate in bundled.infill(request).candidates}
    assert next(iter(found)) != first
    assert found.get(first, usual[first] - 20) == pytest.approx(usual[first] - 20, abs=0.1)
