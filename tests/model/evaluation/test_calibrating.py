"""Confidence is fitted on some packages and measured on others, and the report counts what a person would see."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from model.engine.engine import Engine
from model.evaluation.confidence import Case, calibrate, evaluate, is_part, is_rest
from model.infilling.request import Candidate, Part

PACKAGES = ("alpha", "beta", "gamma")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "heldout.jsonl"
    texts = ["".join(f"def {name}_{n}(value):\n    return value + {n}\n\n\n" for n in range(20)) for name in PACKAGES]
    documents = [{"package": p, "path": f"{p}.py", "text": t} for p, t in zip(PACKAGES, texts, strict=True)]
    path.write_text("".join(json.dumps(document) + "\n" for document in documents))
    return path


def test_the_calibration_is_never_measured_on_a_package_it_has_seen(bundled: Engine, corpus: Path, tmp_path: Path) -> None:
    calibration = calibrate(bundled, corpus, 20)
    assert calibration.packages == ("alpha", "gamma")
    assert calibration.cases == 20
    for table in (calibration.whole, calibration.parts):
        assert 0 < min(table.confidences) <= max(table.confidences) < 1
    plot = tmp_path / "curve.svg"
    report = evaluate(Engine(replace(bundled.model, calibration=calibration)), corpus, 10, 0.5, plot)
    assert report["packages"] == ["beta"]
    assert report["n"] == 10
    assert plot.read_text().startswith("<?xml")


def test_data_that_cannot_be_used_is_refused_with_the_reason(bundled: Engine, corpus: Path, tmp_path: Path) -> None:
    everything = calibrate(bundled, corpus, 6).model_copy(update={"packages": PACKAGES})
    with pytest.raises(ValueError, match="only packages that the model was calibrated on"):
        evaluate(Engine(replace(bundled.model, calibration=everything)), corpus, 5, 0.5)
    with pytest.raises(ValueError, match="not calibrated"):
        evaluate(Engine(replace(bundled.model, calibration=None)), corpus, 5, 0.5)
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "a.py").write_text("value = compute(value)\n" * 20)
    with pytest.raises(ValueError, match="one package"):
        calibrate(bundled, tmp_path / "code", 5)


@pytest.mark.parametrize(
    ("text", "hidden", "part", "rest"),
    [
        ("value", "value + 1", True, False),
        ("val", "value + 1", False, False),
        ("f(a)", "f(a)", True, True),
        ("f(a)", "f(a)  ", True, True),
        ("f(a)", "f(a).b", True, False),
        ("f(b)", "f(a)", False, False),
    ],
)
def test_a_part_is_right_up_to_a_whole_word_and_the_rest_up_to_the_end(text: str, hidden: str, part: bool, rest: bool) -> None:
    assert is_part(text, hidden) == part
    assert is_rest(text, hidden) == rest


def test_a_whole_suggestion_must_be_the_rest_of_the_line_and_a_part_only_stand_there() -> None:
    case = Case("f(a) + 1", Candidate(("f(a)",), -2.0, 0.3, (Part("f", -0.1, 0.9),)))
    whole, part = case.shown(0.2), case.shown(0.5)
    assert whole is not None
    assert part is not None
    assert (whole.text, case.is_right(whole)) == ("f(a)", False)
    assert (part.text, case.is_right(part)) == ("f", True)
    assert case.shown(0.5, cut=False) is None
