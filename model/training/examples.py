"""Cuts holes into documents and packs the resulting token sequences into windows of one length.

Knows which holes people leave and how windows are filled. Knows no network; the order of tokens is `layout`'s.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from model.infilling.alike import around, as_other_file, most_alike, names_in
from model.infilling.layout import continuation, encode_visible
from model.tokenization.tokenizer import Tokenizer
from model.training import durable
from model.training.documents import Document

MOST_MIDDLE = 160  # tokens of all holes of an example
BEFORE, AFTER = 12_000, 6_000  # characters around the hole that are looked at; the same as a server's window
MOST_EXAMPLES = 40  # of one document
OTHER_FILE_SHARE = 0.35  # of the examples that see the piece of another file which a server would show
SHARD, SIBLINGS = 500, 150  # documents packed by one process at a time; files of a package among which a piece is looked for
USED_SHARE = 0.45  # of a window, that a draw fills in the mean; one in three falls on an empty place


@dataclass(frozen=True)
class Example:
    """A text with k holes: k+1 visible parts and the k texts that stood in the holes."""

    parts: tuple[str, ...]
    middles: tuple[str, ...]
    other_files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Windows:
    """Packed sequences, all arrays (windows, length). `segment` counts the sequences in a window from 1, 0 is padding.

    `hole` is 0 on visible tokens and n+1 on those of hole n, from its mark to its `<eos>`.
    """

    tokens: NDArray[np.uint16]
    segment: NDArray[np.uint8]
    hole: NDArray[np.uint8]

    def save(self, path: Path) -> None:
        content = io.BytesIO()
        np.savez_compressed(content, tokens=self.tokens, segment=self.segment, hole=self.hole)
        durable.write(path, content.getbuffer())

    @classmethod
    def load(cls, path: Path) -> Windows:
        """Raises ValueError for a damaged file."""
        try:
            with np.load(path) as arrays:
                return cls(arrays["tokens"], arrays["segment"], arrays["hole"])
        except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, ValueError) as error:
            raise ValueError(f"{path} is damaged: delete it, and it is made again") from error


def cut_hole(text: str, starts: Sequence[int], rng: np.random.Generator) -> tuple[int, int] | None:
    """A hole in the text as people leave them: the rest of a line, whole lines, a block, now and then any span."""
    lines = len(starts) - 1
    first = int(rng.integers(lines))
    draw = rng.random()
    count = 1 if draw < 0.6 else int(rng.integers(2, 5)) if draw < 0.85 else int(rng.integers(5, 13))
    last = min(lines - 1, first + count - 1)
    start, end = starts[first], starts[last + 1]  # the end is behind the line break
    line = text[start : starts[first + 1]].rstrip("\n")
    if not line.strip():
        return None
    indent = len(line) - len(line.lstrip())
    whole_end = end - 1 if text[end - 1] == "\n" else end
    kind = rng.random()
    if kind < 0.3:
        return (start, end) if rng.random() < 0.75 else (start, whole_end)
    if kind < 0.55:
        return start + indent, whole_end
    start += int(rng.integers(indent, len(line) + 1))
    if rng.random() < 0.75:
        return start, max(start, whole_end)
    low = max(start, starts[last])
    return start, int(rng.integers(low, max(low, whole_end) + 1))


@lru_cache(maxsize=1)  # many examples in a row are of one document
def _line_starts(text: str) -> tuple[int, ...]:
    """Where the lines begin, and the end of the text."""
    starts = (0, *(found.end() for found in re.finditer("\n", text)))
    return starts if starts[-1] == len(text) else (*starts, len(text))


@dataclass(frozen=True)
class Sibling:
    """A file of a package, as a piece of it may be shown with another one."""

    document: Document
    names: frozenset[str]

    @property
    def text(self) -> str:
        return self.document.text


def sample_example(document: Document, rng: np.random.Generator, siblings: Sequence[Sibling] = ()) -> Example | None:
    """An example with one hole, sometimes two to four; None if the draw fell on an empty place.

    With it comes the piece of the siblings that is most like the surroundings of the first hole; the document may be one of them.
    """
    text = document.text
    starts = _line_starts(text)
    if len(starts) < 4:
        return None
    hole = cut_hole(text, starts, rng)
    if hole is None:
        return None
    holes = [hole]
    if rng.random() < 0.1:
        wanted = int(rng.integers(2, 5))
        for _ in range(12):
            more = cut_hole(text, starts, rng)
            near = more is not None and abs(more[0] - hole[0]) < 1500 and more[1] - more[0] < 200
            if more and near and all(more[1] < a or b < more[0] for a, b in holes):
                holes.append(more)
            if len(holes) == wanted:
                break
        holes.sort()
    edges = [
        max(0, holes[0][0] - BEFORE),
        *(edge for span in holes for edge in span),
        min(len(text), holes[-1][1] + AFTER),
    ]
    parts = tuple(text[edges[i] : edges[i + 1]] for i in range(0, len(edges), 2))
    middles = tuple(text[a:b] for a, b in holes)
    return Example(parts, middles, _other_file(document, "".join(parts), len(parts[0]), siblings))


def _other_file(document: Document, visible: str, cursor: int, siblings: Sequence[Sibling]) -> tuple[str, ...]:
    others = [one for one in siblings if one.document.path != document.path]
    found = most_alike(names_in(around(visible, cursor)), siblings, others)
    if found is None:
        return ()
    _, sibling, lines = found
    return (as_other_file(sibling.document.path, sibling.text[lines.start : lines.end]),)


def encode_example(tokenizer: Tokenizer, example: Example, budget: int) -> tuple[list[int], list[int]] | None:
    """Tokens of an example and, for each, its hole number plus one (0: visible); None if the middle is too long."""
    after = continuation(tokenizer, example.middles)
    if len(after) > min(MOST_MIDDLE, budget // 3):
        return None
    visible = encode_visible(tokenizer, example.parts, example.other_files, budget - len(after))
    holes, number = [0] * (len(visible) - 1) + [1], 1
    for token in after:
        if token in tokenizer.holes:
            number += 1
        holes.append(number)
    return visible + after, holes


def pack(sequences: Iterator[tuple[list[int], list[int]]], length: int, pad: int) -> Windows:
    """Puts sequences into windows, each into the fullest of the open ones that still has room."""
    open_windows: list[list[tuple[list[int], list[int]]]] = []
    room: list[int] = []
    closed: list[list[tuple[list[int], list[int]]]] = []
    for sequence in sequences:
        size = len(sequence[0])
        fitting = [i for i, free in enumerate(room) if free >= size]
        if fitting:
            best = min(fitting, key=lambda i: room[i])
            open_windows[best].append(sequence)
            room[best] -= size
        else:
            open_windows.append([sequence])
            room.append(length - size)
        if len(room) > 64:
            fullest = min(range(len(room)), key=lambda i: room[i])
            closed.append(open_windows.pop(fullest))
            room.pop(fullest)
    closed += open_windows
    tokens = np.full((len(closed), length), pad, np.uint16)
    segment = np.zeros((len(closed), length), np.uint8)
    hole = np.zeros((len(closed), length), np.uint8)
    for row, contents in enumerate(closed):
        at = 0
        for number, (ids, marks) in enumerate(contents, 1):
            span = slice(at, at + len(ids))
            tokens[row, span], hole[row, span], segment[row, span] = ids, marks, number
            at += len(ids)
    return Windows(tokens, segment, hole)


def _pack_shard(shard: tuple[int, list[Document]], tokenizer_path: Path, length: int, characters: int) -> Windows:
    seed, documents = shard
    tokenizer, rng = Tokenizer.load(tokenizer_path), np.random.default_rng([seed, length])
    budgets = [length // 4, length // 2, length, length]

    def sequences() -> Iterator[tuple[list[int], list[int]]]:
        for _, package in groupby(documents, lambda document: document.package):
            own = list(package)
            few = [own[number] for number in rng.permutation(len(own))[:SIBLINGS]]
            siblings = [Sibling(document, names_in(document.text)) for document in few]
            for document in own:
                for _ in range(min(MOST_EXAMPLES, 1 + len(document.text) // characters)):
                    example = sample_example(document, rng, siblings if rng.random() < OTHER_FILE_SHARE else ())
                    encoded = example and encode_example(tokenizer, example, budgets[int(rng.integers(len(budgets)))])
                    if encoded:
                        yield encoded

    windows = pack(sequences(), length, tokenizer.pad)
    order = rng.permutation(len(windows.tokens))
    return Windows(windows.tokens[order], windows.segment[order], windows.hole[order])


def pack_documents(documents: Sequence[Document], tokenizer_path: Path, length: int, tokens: int, least: int) -> Windows:
    """Windows of `length` tokens: about as many as hold so many tokens, from all over the documents.

    One example is drawn for `least` characters of a document, or for more if that is enough.
    """
    characters = max(least, round(sum(len(document.text) for document in documents) * length * USED_SHARE / max(1, tokens)))
    ordered = sorted(documents, key=lambda document: document.package)
    shards = [(number, ordered[at : at + SHARD]) for number, at in enumerate(range(0, len(ordered), SHARD))]
    with ProcessPoolExecutor() as pool:
        work = pool.map(partial(_pack_shard, tokenizer_path=tokenizer_path, length=length, characters=characters), shards)
        packed = list(track(work, f"Packing windows of {length}", total=len(shards)))
    return Windows(
        np.concatenate([w.tokens for w in packed]),
        np.concatenate([w.segment for w in packed]),
        np.concatenate([w.hole for w in packed]),
    )
