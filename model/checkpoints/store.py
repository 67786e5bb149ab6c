"""Models on disk: a folder with `config.json`, `weights.safetensors`, `tokenizer.json`, `trigrams.safetensors`
and, once its confidence was measured, `calibration.json`; all checked by their hashes.

Knows files, formats and names of models. Knows no decoding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors.numpy
import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import nn

from model.architecture.network import Network, NetworkConfig
from model.checkpoints.calibration import Calibration
from model.checkpoints.trigrams import TrigramTable
from model.tokenization.tokenizer import Tokenizer

BUNDLED = Path(__file__).parent / "bundled"
_WEIGHTS, _TOKENIZER, _CONFIG = "weights.safetensors", "tokenizer.json", "config.json"
_TRIGRAMS = "trigrams.safetensors"
_CALIBRATION = "calibration.json"  # the card lists it if it was made for the weights that lie beside it


class CheckpointError(ValueError):
    """A model that is not there, not whole or not ours; the message names the file."""


class Card(BaseModel):
    """`config.json`: what a model is and what it was made of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = 1
    name: str
    description: str
    license: str
    languages: list[str]
    parameters: int
    trained_tokens: int
    data_manifest_sha256: str
    data_licenses: list[str]
    limits: str
    copy_gate: tuple[float, ...] | None = None  # how much is copied from the visible text; None: the network alone decides
    project_gate: tuple[float, ...] | None = None  # how much of what is left is copied from a project's other texts
    network: NetworkConfig
    sha256: dict[str, str]


@dataclass(frozen=True)
class Model:
    card: Card
    network: Network
    tokenizer: Tokenizer
    calibration: Calibration | None = None
    trigrams: TrigramTable | None = None


def load_model(where: Path | str | None = None, dtype: torch.dtype = torch.float32) -> Model:
    """The model in a folder (None: the bundled one), in evaluation mode. Raises CheckpointError."""
    folder = BUNDLED if where is None else Path(where)
    if not (folder / _CONFIG).is_file():
        known = "" if where is None else f"; the bundled model is at {BUNDLED}"
        raise CheckpointError(f"no model at {folder}: {_CONFIG} is missing{known}")
    card = read_card(folder)
    for name, expected in card.sha256.items():
        path = folder / name
        if not path.is_file():
            raise CheckpointError(f"the model is incomplete: {path} is missing")
        if _sha256(path) != expected:
            raise CheckpointError(f"the model is damaged: the checksum of {path} does not match {folder / _CONFIG}")
    with torch.device("meta"):
        network = Network(card.network)
    weights = safetensors.torch.load_file(folder / _WEIGHTS)
    try:
        network.load_state_dict({name: weight.to(dtype) for name, weight in weights.items()}, assign=True)
    except RuntimeError as error:
        raise CheckpointError(f"{folder / _WEIGHTS} does not fit {folder / _CONFIG}: {error}") from error
    network.requires_grad_(False).eval()
    calibration = read_calibration(folder / _CALIBRATION) if _CALIBRATION in card.sha256 else None
    trigrams = read_trigrams(folder / _TRIGRAMS) if _TRIGRAMS in card.sha256 else None
    return Model(card, network, Tokenizer.load(folder / _TOKENIZER), calibration, trigrams)


def load_tokenizer(where: Path | str | None = None) -> Tokenizer:
    """The tokenizer of the model in a folder (None: the bundled one), without its weights. Raises CheckpointError."""
    folder = BUNDLED if where is None else Path(where)
    card = read_card(folder)
    if _sha256(folder / _TOKENIZER) != card.sha256[_TOKENIZER]:
        raise CheckpointError(f"the model is damaged: the checksum of {folder / _TOKENIZER} does not match {folder / _CONFIG}")
    return Tokenizer.load(folder / _TOKENIZER)


def read_card(folder: Path) -> Card:
    path = folder / _CONFIG
    try:
        card = Card.model_validate_json(path.read_bytes())
    except (ValidationError, OSError) as error:
        raise CheckpointError(f"{path} is not a model's description: {_complaint(error)}") from error
    if card.format != 1 or not {_WEIGHTS, _TOKENIZER} <= set(card.sha256):
        raise CheckpointError(f"{path} describes a model this version of Quickfill cannot read (format {card.format})")
    return card


def read_calibration(path: Path) -> Calibration:
    """Raises CheckpointError, in one line."""
    try:
        return Calibration.model_validate_json(path.read_bytes())
    except (ValidationError, OSError) as error:
        raise CheckpointError(f"{path} is not a model's calibration: {_complaint(error)}") from error


def save_calibration(folder: Path, calibration: Calibration) -> Card:
    """Writes the calibration of the model in a folder, and its hash into the model's card. Raises CheckpointError."""
    card = read_card(folder)
    (folder / _CALIBRATION).write_text(calibration.model_dump_json(indent=1) + "\n")
    card = card.model_copy(update={"sha256": {**card.sha256, _CALIBRATION: _sha256(folder / _CALIBRATION)}})
    (folder / _CONFIG).write_text(card.model_dump_json(indent=1) + "\n")
    return card


def _complaint(error: ValidationError | OSError) -> str:
    """What is wrong, not how many things are."""
    return str(error.errors()[0]["msg"]) if isinstance(error, ValidationError) else str(error)


def read_trigrams(path: Path) -> TrigramTable:
    """Raises CheckpointError, in one line."""
    try:
        return TrigramTable(**safetensors.numpy.load_file(path))
    except (safetensors.SafetensorError, TypeError, ValueError, OSError) as error:
        raise CheckpointError(f"{path} is not a table of trigrams: {error}") from error


def save_model(
    folder: Path,
    network: Network,
    tokenizer: Tokenizer,
    about: Mapping[str, object],
    trigrams: TrigramTable | None = None,
) -> Card:
    """Writes a model as bfloat16. `about` has the fields of `Card` that neither the network nor the files tell."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: w.detach().to("cpu", torch.bfloat16).contiguous() for name, w in network.state_dict().items()}
    safetensors.torch.save_file(weights, folder / _WEIGHTS)
    tokenizer.save(folder / _TOKENIZER)
    files = [_WEIGHTS, _TOKENIZER]
    if trigrams is not None:
        safetensors.numpy.save_file(vars(trigrams), folder / _TRIGRAMS)
        files.append(_TRIGRAMS)
    found = {
        "parameters": parameters(network),
        "network": network.config,
        "sha256": {name: _sha256(folder / name) for name in files},
    }
    card = Card.model_validate({**about, **found})
    (folder / _CONFIG).write_text(card.model_dump_json(indent=1) + "\n")
    return card


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
