"""A model folder is whole, or refused in one sentence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from model.checkpoints.store import BUNDLED, CheckpointError, load_model, read_card


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(BUNDLED, tmp_path / "model"))


def test_the_bundled_model_says_what_it_is() -> None:
    card = read_card(BUNDLED)
    model = load_model()
    assert card.parameters == sum(p.numel() for p in model.network.parameters())
    assert card.license == "MIT"
    assert card.data_licenses
    assert card.limits


@pytest.mark.parametrize("name", ["weights.safetensors", "tokenizer.json"])
def test_one_changed_byte_is_refused_and_the_file_named(copy: Path, name: str) -> None:
    raw = bytearray((copy / name).read_bytes())
    raw[len(raw) // 2] ^= 1
    (copy / name).write_bytes(raw)
    with pytest.raises(CheckpointError, match=name):
        load_model(copy)


def test_a_missing_file_is_named(copy: Path) -> None:
    (copy / "weights.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"weights\.safetensors is missing"):
        load_model(copy)


def test_a_newer_format_is_refused(copy: Path) -> None:
    card = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**card, "format": 2}))
    with pytest.raises(CheckpointError, match="format 2"):
        load_model(copy)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no model at"):
        load_model(tmp_path)
