"""A calibration keeps to probabilities, survives the disk, and is refused in one sentence where it is none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from model.checkpoints.calibration import Calibration, Table
from model.checkpoints.store import BUNDLED, CheckpointError, load_model, read_calibration, read_card, save_calibration

TABLE = Table(scores=(-9.0, -2.0, -0.5), confidences=(0.01, 0.3, 0.9))
CALIBRATION = Calibration(whole=TABLE, parts=Table(scores=(-3.0, -1.0), confidences=(0.1, 0.9)), packages=("click",), cases=3)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(BUNDLED, tmp_path / "model"))


@given(st.floats(-1e6, 0), st.floats(-1e6, 0))
def test_a_likelier_text_is_never_less_sure_and_nothing_is_surer_than_sure(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert 0 <= TABLE.confidence(low) <= TABLE.confidence(high) <= 1


def test_it_reads_between_its_rows_and_stays_at_its_ends_beyond_them() -> None:
    assert [TABLE.confidence(score) for score in (-100, -1.25, 0)] == pytest.approx([0.01, 0.6, 0.9])


@pytest.mark.parametrize(
    "change",
    [
        {"scores": (-2.0, -9.0, -0.5)},
        {"scores": (-9.0, -9.0, -0.5)},
        {"scores": (-9.0, -2.0)},
        {"scores": (), "confidences": ()},
        {"scores": (float("nan"), -2.0, -0.5)},
        {"confidences": (0.01, 0.9, 0.3)},
        {"confidences": (-0.1, 0.3, 0.9)},
        {"confidences": (0.01, 0.3, 1.1)},
    ],
)
def test_a_table_that_is_no_monotone_probability_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Table.model_validate({**TABLE.model_dump(), **change})


def test_a_text_is_given_up_where_neither_it_nor_a_part_of_it_can_be_sure_enough() -> None:
    assert CALIBRATION.least_score(0.3) == pytest.approx(-2.5)  # a part would do
    assert CALIBRATION.least_score(0.9) == pytest.approx(-1.0)
    assert CALIBRATION.model_copy(update={"parts": TABLE, "whole": CALIBRATION.parts}).least_score(0.3) == pytest.approx(-2.5)
    assert CALIBRATION.least_score(0.95) == float("inf")


def test_what_is_saved_is_what_the_model_is_loaded_with(copy: Path) -> None:
    save_calibration(copy, CALIBRATION)
    assert load_model(copy).calibration == CALIBRATION


def test_a_model_without_calibration_works(copy: Path) -> None:
    card = json.loads((copy / "config.json").read_text())
    card["sha256"].pop("calibration.json", None)
    (copy / "config.json").write_text(json.dumps(card))
    # The file of other weights that may still lie there is not this model's.
    assert load_model(copy).calibration is None


def test_a_damaged_calibration_is_refused_in_one_line_that_names_it(copy: Path) -> None:
    save_calibration(copy, CALIBRATION)
    path = copy / "calibration.json"
    path.write_text(path.read_text().replace("0.9", "0.8"))
    with pytest.raises(CheckpointError, match=r"checksum of .*calibration\.json") as damaged:
        load_model(copy)
    path.write_text('{"scores": [1')
    with pytest.raises(CheckpointError, match=r"calibration\.json is not a model's calibration") as cut_off:
        read_calibration(path)
    assert all(len(str(error.value).splitlines()) == 1 for error in (damaged, cut_off))


def test_the_bundled_model_was_calibrated_on_packages_it_never_saw() -> None:
    calibration = load_model().calibration
    assert calibration is not None
    heldout = (BUNDLED.parents[1] / "training" / "heldout.txt").read_text().lower().split("\n")
    assert {package.lower() for package in calibration.packages} < set(heldout)
    assert "calibration.json" in read_card(BUNDLED).sha256
