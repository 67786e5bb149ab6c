"""The whole way from nothing to a model folder: corpus, vocabulary, training, export. Each part is skipped where it is done.

Knows the order of the parts and where their results lie. Knows no details of any.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from model.architecture.network import NetworkConfig
from model.tokenization.tokenizer import learn_vocabulary
from model.training.corpus import build
from model.training.documents import read_documents
from model.training.export import export
from model.training.loop import Run, prepare, train

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
    layers: int
    name: str
    workers: int = 1


def follow(recipe: Recipe, decontaminate: Sequence[Path], corpus_only: bool) -> None:
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    recipe.corpus.mkdir(parents=True, exist_ok=True)
    if not (recipe.corpus / "train.jsonl").exists():
        build(recipe.corpus, decontaminate)
    if not (recipe.corpus / "tokenizer.json").exists():
        learn_vocabulary(_sample(recipe.corpus)).save(recipe.corpus / "tokenizer.json")
    prepare(recipe.corpus)
    if corpus_only:
        return
    network = NetworkConfig(width=recipe.width, layers=recipe.layers, heads=recipe.width // 64)
    checkpoint = train(Run(recipe.corpus, recipe.run, recipe.tokens, network, device=recipe.device, workers=recipe.workers))
    export(checkpoint, recipe.corpus, recipe.model, recipe.name)


def _sample(corpus: Path) -> Iterator[str]:
    size = 0
    for document in read_documents(corpus / "train.jsonl"):
        size += len(document.text)
        if size > VOCABULARY_SAMPLE:
            return
        yield document.text
