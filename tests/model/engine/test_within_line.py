"""A hole with text on both sides of it in its line, of which nobody says how many lines it has."""

from __future__ import annotations

from dataclasses import replace

import pytest

from model.engine.engine import Engine
from model.infilling.request import InfillRequest

IN_LINE = InfillRequest(("total = sum(value for value in ", " if value > 0)\nprint(total)\n"), allow_empty=False)


def test_it_is_filled_within_its_line_where_that_fits_to_the_rest_of_it(bundled: Engine) -> None:
    text = bundled.infill(IN_LINE).candidates[0].text
    assert text == bundled.infill(replace(IN_LINE, single_line=True)).candidates[0].text
    assert "\n" not in text


def test_a_client_that_takes_broken_off_texts_gets_it_too(bundled: Engine) -> None:
    """As those of `/v1/completions`: the text has its end, and does not run on until its tokens are used up."""
    candidate = bundled.infill(replace(IN_LINE, whole_lines=False)).candidates[0]
    assert "\n" not in candidate.text
    assert candidate.whole


@pytest.mark.parametrize("suffix", ["    third = check(second)\n    return third\n", "\n    return third\n"])
def test_where_the_line_ends_at_the_hole_it_gets_as_many_lines_as_the_model_writes(bundled: Engine, suffix: str) -> None:
    before = (
        "def one(path):\n    first = read(path)\n    second = parse(first)\n    third = check(second)\n    return third\n\n\n"
    )
    request = InfillRequest((before + "def two(path):\n    first = ", suffix), allow_empty=False)
    assert "\n" in bundled.infill(request).candidates[0].text


def test_what_both_ways_took_is_counted(bundled: Engine) -> None:
    request = replace(IN_LINE, parts=("x = qz(", "zzqj zzqk)\n"), max_tokens=8, branches=0, drafts=False)
    within = bundled.infill(replace(request, single_line=True), "within")
    both = bundled.infill(request, "both")
    assert both.steps > within.steps
    assert both.forward_passes > within.forward_passes
