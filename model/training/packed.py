"""The corpus as the windows that a run meets: packed once, kept beside it, and read in a shuffled order.

Knows which part of the corpus goes into which windows. Knows neither how examples are cut nor what is done with them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.training import durable
from model.training.documents import read_documents
from model.training.examples import Windows, pack_documents
from model.training.manifest import checked_hashes

SHORT, LONG = 512, 1024  # tokens of a window, before and in the decay
SHORT_SHARE = 0.7  # of the documents; the others are packed into long windows
CHARACTERS_PER_EXAMPLE, CHARACTERS_PER_DECAY_EXAMPLE = 700, 250  # at the least
HELDOUT_TOKENS = 1_000_000
DECAY_SHARE = 0.4  # of the batches in the decay


@dataclass(frozen=True)
class Packed:
    short: Windows
    long: Windows
    decay: Windows
    heldout: Windows


@dataclass(frozen=True)
class Shuffled:
    """Windows in the order in which a run meets them, over and over."""

    windows: Windows
    order: NDArray[np.int64]

    def rows(self, first: int, count: int) -> NDArray[np.int64]:
        found: NDArray[np.int64] = self.order[np.arange(first, first + count) % len(self.order)]
        return found


@dataclass(frozen=True)
class _MadeOf:
    """What windows were made of, and for how many tokens of a run."""

    files: dict[str, str]
    tokens: int

    @classmethod
    def read(cls, path: Path) -> _MadeOf:
        try:
            return cls(**json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError):
            return cls({}, 0)

    def serves(self, wanted: _MadeOf) -> bool:
        return self.files == wanted.files and self.tokens >= wanted.tokens


def prepare(corpus: Path, tokens: int) -> Packed:
    """The corpus as packed windows, from the cache beside it or made now: enough for a run of so many tokens to meet few twice.

    Raises CorpusError where a file is not the manifest's, ValueError where a cached one is damaged.
    """
    folder, tokenizer = corpus / "packed", corpus / "tokenizer.json"
    files = [folder / f"{name}.npz" for name in ("short", "long", "decay", "heldout")]
    made_of, wanted = folder / "made_of.json", _MadeOf(checked_hashes(corpus), tokens)
    if not (_MadeOf.read(made_of).serves(wanted) and all(file.exists() for file in files)):
        folder.mkdir(exist_ok=True)
        made_of.unlink(missing_ok=True)
        documents = read_documents(corpus / "train.jsonl")
        cut = int(len(documents) * SHORT_SHARE)
        decay, heldout = (read_documents(corpus / f"{name}.jsonl") for name in ("decay", "heldout"))
        pack_documents(documents[:cut], tokenizer, SHORT, tokens, CHARACTERS_PER_EXAMPLE).save(files[0])
        pack_documents(documents[cut:], tokenizer, LONG, tokens // 2, CHARACTERS_PER_EXAMPLE).save(files[1])
        pack_documents(decay, tokenizer, LONG, tokens // 4, CHARACTERS_PER_DECAY_EXAMPLE).save(files[2])
        pack_documents(heldout, tokenizer, SHORT, HELDOUT_TOKENS, CHARACTERS_PER_EXAMPLE).save(files[3])
        durable.write(made_of, json.dumps(asdict(wanted)).encode())  # last: a kill before it has all of them packed again
    return Packed(*(Windows.load(file) for file in files))


def interleaved(source: Shuffled, mixed_in: Shuffled, number: int) -> tuple[Shuffled, int]:
    """Which windows the batch of this number is made of, and how many batches of that kind stand before it.

    Evenly spread and known from the number alone: of any n batches in a row, `DECAY_SHARE` * n are mixed in, give or take one.
    """
    before, behind = int(number * DECAY_SHARE), int((number + 1) * DECAY_SHARE)
    return (mixed_in, before) if behind > before else (source, number - before)
