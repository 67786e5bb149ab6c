"""A filling stops where the text behind its hole begins."""

from __future__ import annotations

import pytest

from model.engine.engine import Engine
from model.infilling.request import InfillRequest
from model.infilling.seam import landmark, right_of, without_seam


@pytest.mark.parametrize(
    ("text", "suffix", "kept"),
    [
        ("rn value", "alue_set\n", "rn v"),
        ("urn\n    yield x\n\n\ndef f():\n", "urn\n    yield x\n", ""),
        ("x = 1\n    return x\n\n\ndef again():\n", "\n    return x\n", "x = 1"),
        ("f(a)", ")\n", "f(a)"),  # one bracket may well be the hole's own
        ("a, b", "", "a, b"),
        ("    pass\n", "\n\n", "    pass\n"),
        ("total += 1\n", "total -= 1\n", "total += 1\n"),
    ],
)
def test_what_stands_behind_the_hole_is_not_written_again(text: str, suffix: str, kept: str) -> None:
    assert without_seam(text, suffix) == kept


@pytest.mark.parametrize(
    ("suffix", "right"), [('umpy")\nx', 'umpy")'), (")\n", ""), ("  ):\n", ""), ("\nreturn\n", ""), (" == 1  \n", " == 1")]
)
def test_little_to_the_right_may_be_the_hole_s_own(suffix: str, right: str) -> None:
    assert right_of(suffix) == right


def test_a_landmark_is_whole_lines_and_enough_of_them() -> None:
    assert landmark("\n    )\n    return total\nrest") == "\n    )\n    return total\n"
    assert landmark("no line break") is None
    assert landmark("\n\n  }\n") is None


def test_several_lines_never_run_into_the_code_that_stands_behind_them(bundled: Engine) -> None:
    before = "def first(items):\n    for item in items:\n        return item\n\n\ndef last(items):\n"
    after = "    for item in items:\n        found = item\n    return found\n"
    found = bundled.infill(InfillRequest((before, after), max_tokens=120, allow_empty=False))
    for candidate in found.candidates:
        assert "    for item in items:\n" not in candidate.text
