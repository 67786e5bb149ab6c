"""Exact match on hidden line ends of code the model never saw, beside what copying from the same file achieves.

Knows files of code and where a person would ask. Knows no decoding.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.progress import track

from model.engine.engine import Engine
from model.evaluation.humaneval_infilling import percentiles
from model.infilling.copies import Copies
from model.infilling.layout import encode_visible
from model.infilling.request import InfillRequest
from model.tokenization.tokenizer import Tokenizer
from model.training.documents import read_documents

BEFORE, AFTER = 12_000, 6_000  # characters; what the language server looks at


def read_texts(path: Path) -> list[str]:
    """The files of a corpus (`.jsonl`) or of a folder of Python code. Raises ValueError if there is none."""
    if path.is_dir():
        texts = [file.read_text("utf-8", "replace") for file in sorted(path.rglob("*.py"))]
    elif path.is_file():
        texts = [document.text for document in read_documents(path)]
    else:
        raise ValueError(f"{path} is neither a corpus file nor a folder")
    if not any(len(text) > 200 for text in texts):
        raise ValueError(f"{path} holds no Python files")
    return texts


def sample_lines(texts: Sequence[str], count: int, seed: int = 0) -> list[tuple[str, str, str]]:
    """(prefix, hidden end of a line, suffix): at least four characters hidden, cut anywhere behind the indentation."""
    rng = np.random.default_rng(seed)
    texts = [text for text in texts if len(text) > 200]
    cases: list[tuple[str, str, str]] = []
    tries = 0
    while len(cases) < count and tries < 50 * count:
        tries += 1
        text = texts[int(rng.integers(len(texts)))]
        lines = text.split("\n")
        number = int(rng.integers(len(lines)))
        line = lines[number]
        indent = len(line) - len(line.lstrip())
        if len(line.strip()) < 8 or line.lstrip().startswith("#"):
            continue
        start = sum(len(other) + 1 for other in lines[:number])
        cut = start + int(rng.integers(indent, max(indent + 1, len(line) - 4)))
        end = start + len(line)
        cases.append((text[max(0, cut - BEFORE) : cut], text[cut:end], text[end : end + AFTER]))
    return cases


def copied_line(tokenizer: Tokenizer, prefix: str, suffix: str) -> str:
    """The rest of the line, copied token by token from behind the longest match in the file: the baseline."""
    copies = Copies(encode_visible(tokenizer, (prefix, suffix))[:-1], tokenizer.ordinary)
    written: list[int] = []
    matches = copies.matches
    while len(written) < 64 and (followers := copies.followers(matches).counts):
        written.append(followers.most_common(1)[0][0])
        matches = copies.extended(matches, written[-1])
        if b"\n" in tokenizer.bytes_of(written[-1]):
            break
    return tokenizer.decode(written).split("\n")[0]


def evaluate(engine: Engine, path: Path, limit: int, checked: bool = True) -> dict[str, object]:
    cases = sample_lines(read_texts(path), limit)
    engine.warm_up()
    exact, copied, steps, latencies = [], [], [], []
    for prefix, hidden, suffix in track(cases, "Filling", disable=not sys.stderr.isatty()):
        answer = engine.infill(InfillRequest((prefix, suffix), single_line=True, allow_empty=False, checked=checked), "lines")
        text = answer.candidates[0].text if answer.candidates else ""
        exact.append(text.rstrip() == hidden.rstrip())
        copied.append(copied_line(engine.model.tokenizer, prefix, suffix).rstrip() == hidden.rstrip())
        steps.append(answer.steps)
        latencies.append(answer.timings_ms["total"])
    return {
        "benchmark": "lines",
        "n": len(cases),
        "exact_match": round(float(np.mean(exact)), 4),
        "copy_exact_match": round(float(np.mean(copied)), 4),
        "mean_steps": round(float(np.mean(steps)), 2),
        "latency_ms": percentiles(latencies),
    }
