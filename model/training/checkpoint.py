"""The checkpoints of a run: the last one and the one before it, so that a damaged one costs some steps and not the run.

Knows files and what a run is resumed from. Knows no training.
"""

from __future__ import annotations

import io
import os
import pickle
import sys
import zipfile
from pathlib import Path
from typing import NotRequired, TypedDict

import torch
from torch import Tensor

from model.training import durable

LAST, PREVIOUS = "checkpoint.pt", "checkpoint.previous.pt"


class CheckpointDamaged(ValueError):
    """A file that is no whole checkpoint; the message names it."""


class State(TypedDict):
    network: dict[str, Tensor]
    average: NotRequired[dict[str, Tensor]]  # of its weights over the run; absent in runs from before there was one
    optimizers: list[dict[str, object]]
    step: int
    tokens: int
    tokens_before: int  # those the weights that the run began with had been trained on
    config: dict[str, int | float]
    canvases: NotRequired[bool]  # False: an autoregressive twin; absent in runs from before there were twins
    decaying: NotRequired[bool]  # absent in runs from before it was written down


_PARTS = State.__annotations__.keys() - {"average", "canvases", "decaying"}


def save(folder: Path, state: State) -> None:
    """Writes the last checkpoint and keeps the one before. Raises OSError; both old ones are then as they were."""
    content = io.BytesIO()
    torch.save(state, content)
    durable.write(folder / LAST, content.getbuffer(), folder / PREVIOUS)


def recover(folder: Path) -> None:
    """Where the last checkpoint is not whole, the one before takes its place, and a line on standard error says so.

    Raises CheckpointDamaged if neither is whole.
    """
    last, previous = folder / LAST, folder / PREVIOUS
    if not last.exists() and not previous.exists():
        return
    try:
        load(last)
    except CheckpointDamaged as error:
        try:
            step = load(previous)["step"]
        except CheckpointDamaged as other:
            raise CheckpointDamaged(f"{error}, and {other}: delete both to begin the run anew") from other
        os.replace(previous, last)
        print(f"quickfill: {error}; the run goes on from the checkpoint before it, of step {step}", file=sys.stderr)


def load(path: Path, device: torch.device | None = None) -> State:
    """A checkpoint with its tensors on the device (None: CPU). Raises CheckpointDamaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            whole = archive.testzip() is None  # torch does not compare the checksums when it reads
        if whole:
            state: State = torch.load(path, map_location=device or "cpu", weights_only=True)
            if isinstance(state, dict) and state.keys() >= _PARTS:
                return state
    except FileNotFoundError:
        raise CheckpointDamaged(f"{path} is missing") from None
    except (zipfile.BadZipFile, RuntimeError, EOFError, pickle.UnpicklingError):
        pass
    raise CheckpointDamaged(f"{path} is damaged")
