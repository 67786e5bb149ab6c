"""From a run's checkpoint to a model folder that says what it is and what it was trained on.

Knows checkpoints of runs and the corpus manifest. Knows no decoding.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from pydantic import TypeAdapter

from model.architecture.network import Network, NetworkConfig
from model.checkpoints.store import Card, load_model, parameters, save_model
from model.engine.engine import fastest_dtype
from model.tokenization.tokenizer import Tokenizer
from model.training.checkpoint import load
from model.training.copying import fit_copy_gate, fit_project_gate
from model.training.documents import read_documents
from model.training.growth import deepened
from model.training.packed import prepare
from model.training.trigrams import count_trigrams


def export(checkpoint: Path, corpus: Path, folder: Path, name: str, start: Path | None = None, share: float = 0.0) -> Card:
    """Writes the model of a checkpoint into a folder. Raises CheckpointDamaged, or FileNotFoundError without a corpus.

    `share` (0..1) of its weights are those of the model `start` that the run went on from: the ends of two decays lie on opposite
    sides of something better (stochastic weight averaging, Izmailov et al. 2018).
    """
    state = load(checkpoint)
    network = Network(TypeAdapter(NetworkConfig).validate_python(state["config"]))
    network.load_state_dict(state.get("average", state["network"]))
    if start and share:
        before = load_model(start)
        grown = deepened(before.network.state_dict(), before.card.network.layers, network.config.layers)
        for name, weight in network.named_parameters():
            weight.data.lerp_(grown[name].to(weight.dtype), share)
    manifest = (corpus / "manifest.json").read_bytes()
    packages = json.loads(manifest)["packages"]
    size = round(parameters(network) / 1e6, 1)
    kind = "Draft-and-check code diffusion model"
    if not state.get("canvases", True):
        kind = "Autoregressive twin of the diffusion model, for comparison: same data, schedule and tokens, next-token loss alone"
    about = {
        "name": name,
        "description": f"{kind}, {size}M parameters, trained from scratch by this project.",
        "license": "MIT",
        "languages": ["python"],
        "trained_tokens": state["tokens_before"] + state["tokens"],
        "data_manifest_sha256": hashlib.sha256(manifest).hexdigest(),
        "data_licenses": sorted({package["license"] for package in packages if not package["heldout"]}),
        "limits": (
            "Python only. A very small model: it completes lines and short blocks from what stands around them; it does "
            "not know libraries well, does not reason, and its suggestions need reading."
        ),
    }
    tokenizer = Tokenizer.load(corpus / "tokenizer.json")
    network, documents = network.to(fastest_dtype()), read_documents(corpus / "train.jsonl")
    gate = fit_copy_gate(network, tokenizer, documents)
    further = fit_project_gate(network, tokenizer, documents, gate)
    trigrams = count_trigrams(prepare(corpus, state["tokens"]).short, tokenizer.ordinary)
    gates = {"copy_gate": gate.weights, "project_gate": further and further.weights}
    return save_model(folder, network, tokenizer, {**about, **gates}, trigrams)
