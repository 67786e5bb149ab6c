"""The whole way from nothing to a model folder: corpus, vocabulary, training, export. Each part is skipped where it is done.

Knows the order of the parts and where their results lie. Knows no details of any.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from model.architecture.network import NetworkConfig
from model.checkpoints.store import read_card
from model.tokenization.tokenizer import learn_vocabulary
from model.training import checkpoint
from model.training.corpus import build
from model.training.documents import read_documents
from model.training.export import export
from model.training.loop import Run, train
from model.training.manifest import MANIFEST, add_to_manifest
from model.training.packed import prepare

VOCABULARY_SAMPLE = 40_000_000  # characters


@dataclass(frozen=True)
class Recipe:
    corpus: Path
    run: Path
    model: Path
    tokens: int
    device: str
    threads: int | None
    width: int
    layers: int | None  # None: as many as `start` has
    name: str
    workers: int = 1
    start: Path | None = None  # a model to go on from: its weights, its vocabulary, its width
    canvases: bool = True  # False: an autoregressive twin
    decay_only: bool = False
    rate: float = 1.0
    average: float = 0.0  # share of the start's weights in the exported ones


def follow(recipe: Recipe, decontaminate: Sequence[Path], corpus_only: bool) -> None:
    """A run that is stopped by a signal leaves its checkpoint, and no model. Raises ValueError and OSError as `train` does."""
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    recipe.corpus.mkdir(parents=True, exist_ok=True)
    if not (recipe.corpus / MANIFEST).exists():
        build(recipe.corpus, decontaminate)
    vocabulary = recipe.corpus / "tokenizer.json"
    if recipe.start:
        card = read_card(recipe.start)
        if not vocabulary.exists():
            shutil.copy(recipe.start / vocabulary.name, vocabulary)
        if hashlib.sha256(vocabulary.read_bytes()).hexdigest() != card.sha256[vocabulary.name]:
            raise ValueError(f"{vocabulary} is not the vocabulary of the model in {recipe.start}: use another corpus folder")
        network = replace(card.network, layers=recipe.layers or card.network.layers)
        if network.layers < card.network.layers:
            raise ValueError(f"the model in {recipe.start} has {card.network.layers} layers: it can get more, not fewer")
    else:
        if not vocabulary.exists():
            learn_vocabulary(_sample(recipe.corpus)).save(vocabulary)
        network = NetworkConfig(width=recipe.width, heads=recipe.width // 64)
        network = replace(network, layers=recipe.layers or network.layers)
    add_to_manifest(recipe.corpus, vocabulary.name)
    if corpus_only:
        prepare(recipe.corpus, recipe.tokens)
        return
    run = Run(
        recipe.corpus,
        recipe.run,
        recipe.tokens,
        recipe.start,
        network=network,
        decay_only=recipe.decay_only,
        rate=recipe.rate,
        canvases=recipe.canvases,
        device=recipe.device,
        workers=recipe.workers,
    )
    if recipe.device == "cuda":  # large steps fill it; of four batches a step, three are made while it computes
        run = replace(run, tokens_per_step=131_072, tokens_at_once=32_768, evaluate_every=400, save_every=400)
    last = train(run)
    done = checkpoint.load(last)["tokens"]
    if done < run.tokens:
        print(f"Stopped after {done:,} of {run.tokens:,} tokens: the same command goes on from there.", flush=True)
        return
    export(last, recipe.corpus, recipe.model, recipe.name, recipe.start, recipe.average)


def _sample(corpus: Path) -> Iterator[str]:
    size = 0
    for document in read_documents(corpus / "train.jsonl"):
        size += len(document.text)
        if size > VOCABULARY_SAMPLE:
            return
        yield document.text
