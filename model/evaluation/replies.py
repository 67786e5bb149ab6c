"""Asks the model, and a twin beside it, in one run: what they answer and what it cost.

Knows engines and requests. Knows nothing of right and wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from model.engine.engine import Engine
from model.infilling.request import InfillRequest

TWIN = "twin"
SESSION = "evaluation"


@dataclass(frozen=True)
class Reply:
    """`steps` are passes that drafted or checked something; `forward_passes` those that read the visible text, too."""

    text: str
    steps: int
    forward_passes: int
    latency_ms: float


def ask(engine: Engine, request: InfillRequest, warm: bool = False) -> Reply:
    """The engine remembers nothing of earlier answers; if `warm`, it has read the visible text already."""
    engine.forget(SESSION)
    if warm:
        engine.warm(SESSION, request.parts, request.other_files, request.context_tokens).result()
    answer = engine.infill(request, SESSION)
    text = answer.candidates[0].text if answer.candidates else ""
    return Reply(text, answer.steps, answer.forward_passes, answer.timings_ms["total"])


def ask_all(engines: Mapping[str, Engine], request: InfillRequest, turn: int) -> dict[str, Reply]:
    """Everyone's reply; a twin writes one token at a time.

    Who is asked first changes with each turn, so that what else the machine does hits all alike.
    """
    names = list(engines)
    first = turn % len(names)
    return {
        name: ask(engines[name], request if name != TWIN else replace(request, drafts=False, candidates=1))
        for name in names[first:] + names[:first]
    }


@dataclass(frozen=True)
class Costs:
    """What replies cost on average; latencies in milliseconds."""

    mean_steps: float
    mean_forward_passes: float
    p50: float
    p95: float

    def as_json(self) -> dict[str, object]:
        return {
            "mean_steps": round(self.mean_steps, 2),
            "mean_forward_passes": round(self.mean_forward_passes, 2),
            "latency_ms": {"p50": round(self.p50, 1), "p95": round(self.p95, 1)},
        }


def costs(replies: Sequence[Reply]) -> Costs:
    p50, p95 = np.percentile([reply.latency_ms for reply in replies], (50, 95))
    return Costs(
        float(np.mean([reply.steps for reply in replies])),
        float(np.mean([reply.forward_passes for reply in replies])),
        float(p50),
        float(p95),
    )
