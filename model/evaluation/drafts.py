"""What each source of drafts is worth: the same texts written with every combination of them, in how many passes and how long.

Knows hidden code and sources. Knows nothing of right and wrong: what is written does not depend on who drafts. Blocks are written
to their own end or to the last of their tokens: unlike the engine, this does not stop at the text behind the hole.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.progress import track

from model.architecture.inference import InferenceNetwork
from model.checkpoints.store import Model
from model.engine.engine import Engine
from model.engine.job import LEFT_TO_FIRST_PASS
from model.engine.session import Session
from model.evaluation.cases import Case, blocks, line_ends, read_code
from model.evaluation.intervals import Estimate, mean
from model.infilling.checked import Chain, CheckedDecoder, Limits, Sources
from model.infilling.copies import CopyGate
from model.infilling.deadline import Deadline, PassCosts
from model.infilling.layout import encode_visible
from model.infilling.passes import Continuation, run_alone
from model.infilling.slots import Always
from model.tokenization.agreement import common_length
from model.tokenization.healing import Healing, split_partial_word

LINES, BLOCKS = "ends of lines", "several lines"


@dataclass(frozen=True)
class Drafting:
    """One combination of sources over the cases of a kind. Tokens count with their `<eos>`; times are medians of cases."""

    kind: str
    sources: str
    n: int
    passes: Estimate  # of a case
    tokens_per_pass: float
    accepted: Counter[str]  # tokens in all, by who proposed them
    milliseconds: float
    same_text: float  # share of cases in which the text is that of the first combination; bfloat16 flips near-ties

    def as_json(self) -> dict[str, object]:
        return {
            "kind": self.kind,
            "sources": self.sources,
            "n": self.n,
            "passes": self.passes.rounded(),
            "tokens_per_pass": round(self.tokens_per_pass, 3),
            "accepted": dict(self.accepted),
            "latency_ms": {"p50": round(self.milliseconds, 1)},
            "same_text": round(self.same_text, 4),
        }


@dataclass(frozen=True)
class _Written:
    chain: Chain
    passes: int
    milliseconds: float


def measure(engine: Engine, path: Path, limit: int) -> list[Drafting]:
    """Every combination of sources on `limit` ends of lines and a quarter as many blocks, the visible text being in the cache.

    Raises ValueError for a path without code.
    """
    documents = read_code(path)
    model = engine.model
    canvas = Always(PassCosts())
    combinations = {
        "none": Sources(None, False),
        "canvas": Sources(canvas, False),
        "copies": Sources(None, True),
        "copies, table": Sources(None, True, model.trigrams),
        "copies, canvas": Sources(canvas, True),
        "copies, table, canvas": Sources(canvas, True, model.trigrams),
    }
    network = InferenceNetwork(model.network)
    found = []
    for kind, cases in ((LINES, line_ends(documents, limit)), (BLOCKS, blocks(documents, -(-limit // 4)))):
        written: dict[str, list[_Written]] = {name: [] for name in combinations}
        for turn, case in enumerate(track(cases, f"Filling {kind}", disable=not sys.stderr.isatty())):
            names = list(combinations)
            first = turn % len(names)
            for name, one in _write(model, network, case, {n: combinations[n] for n in names[first:] + names[:first]}).items():
                written[name].append(one)
        found += [_drafting(kind, name, own, written["none"]) for name, own in written.items() if own]
    return found


@torch.inference_mode()
def _write(model: Model, network: InferenceNetwork, case: Case, combinations: dict[str, Sources]) -> dict[str, _Written]:
    request, tokenizer = case.request(), model.tokenizer
    prefix, owed = split_partial_word(case.prefix)
    visible = encode_visible(tokenizer, (prefix, case.suffix))
    limits = Limits(request.max_tokens, request.single_line, request.stop_after_line, request.allow_empty)
    gate = CopyGate(model.card.copy_gate) if model.card.copy_gate else None
    session, healing = Session(model.network), Healing(tokenizer)
    run_alone(network, session.encode(visible, LEFT_TO_FIRST_PASS))
    base = len(session.tokens)
    found = {}
    for name, sources in combinations.items():
        rows = Continuation(network, session.cache, base)
        began = time.perf_counter()
        decoder = CheckedDecoder(tokenizer, healing, limits, visible, gate, sources)
        chain = run_alone(network, decoder.run(rows, visible[base:], owed.encode(), 1, Deadline()))[0]
        found[name] = _Written(chain, rows.passes, (time.perf_counter() - began) * 1000)
    return found


def _drafting(kind: str, name: str, own: Sequence[_Written], undrafted: Sequence[_Written]) -> Drafting:
    same = [
        common_length(one.chain.tokens, other.chain.tokens) == max(len(one.chain.tokens), len(other.chain.tokens))
        for one, other in zip(own, undrafted, strict=True)
    ]
    return Drafting(
        kind,
        name,
        len(own),
        mean([float(one.passes) for one in own]),
        sum(len(one.chain.tokens) for one in own) / sum(one.passes for one in own),
        sum((one.chain.accepted for one in own), Counter()),
        float(np.median([one.milliseconds for one in own])),
        float(np.mean(same)),
    )
