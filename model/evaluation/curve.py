"""Quality against forward passes and against latency, across the knob: how much is checked, how many slots are committed
at once.

Knows settings of a request and hidden ends of lines. Knows no decoding and no drawing.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from rich.progress import track

from model.engine.engine import Engine
from model.evaluation.cases import line_ends, read_code
from model.evaluation.intervals import Estimate, difference, mean, share
from model.evaluation.replies import Reply, ask
from model.evaluation.scores import Score, score
from model.infilling.request import BRANCHES, InfillRequest


@dataclass(frozen=True)
class Setting:
    """One position of the knob. Settings of a family are joined by a line when they are drawn."""

    family: str
    name: str
    checked: bool = True
    gamma: float = 0.3
    drafts: bool = True
    passes: int | None = None
    branches: int = 0
    by_twin: bool = False

    def of(self, request: InfillRequest) -> InfillRequest:
        return replace(
            request,
            checked=self.checked,
            gamma=self.gamma,
            drafts=self.drafts,
            passes=self.passes,
            branches=self.branches,
        )


SETTINGS = (
    Setting("checked", "checked"),
    Setting("checked, no drafts", "checked, no drafts", drafts=False),
    *(Setting("checked, searched", f"checked, the likeliest of {1 + count}", branches=count) for count in (4, BRANCHES, 16)),
    *(Setting("checked, the rest unchecked", f"checked, the rest unchecked in pass {k}", passes=k) for k in (2, 3, 4, 6)),
    Setting("unchecked", "unchecked, slot by slot", checked=False, gamma=0.0),
    *(Setting("unchecked", f"unchecked, gamma {gamma}", checked=False, gamma=gamma) for gamma in (0.1, 0.3, 1.0, 3.0)),
    Setting("unchecked", "unchecked, one step", checked=False, gamma=float("inf")),
)
TWIN = Setting("autoregressive twin", "autoregressive twin", drafts=False, by_twin=True)


@dataclass(frozen=True)
class Point:
    """What one setting gave. `behind` is its exact match minus that of the first setting on the same cases."""

    setting: Setting
    exact_match: Estimate
    behind: Estimate
    edit_similarity: Estimate
    steps: Estimate
    latency_ms: Estimate

    def as_json(self) -> dict[str, object]:
        figures = {f.name: getattr(self, f.name).rounded() for f in fields(self) if f.name != "setting"}
        return {"setting": self.setting.name, **figures}


def measure(engine: Engine, path: Path, limit: int, twin: Engine | None = None) -> list[Point]:
    """One point for each setting over the same `limit` ends of lines.

    All settings answer a case before the next one is asked, in an order that changes from case to case. The visible text is in
    the cache beforehand, as it is while a person types, so latency is that of the answer alone.
    """
    cases = line_ends(read_code(path), limit)
    if not cases:
        raise ValueError(f"{path} holds no line that can be hidden")
    settings = (*SETTINGS, TWIN) if twin else SETTINGS
    engines = {False: engine} | ({True: twin} if twin else {})
    for one in engines.values():
        one.warm_up()
    tokenizer = engine.model.tokenizer
    found: dict[Setting, list[tuple[Reply, Score]]] = {setting: [] for setting in settings}
    for turn, case in enumerate(track(cases, "Filling", disable=not sys.stderr.isatty())):
        first = turn % len(settings)
        for setting in settings[first:] + settings[:first]:
            reply = ask(engines[setting.by_twin], setting.of(case.request()), warm=True)
            found[setting].append((reply, score(tokenizer, reply.text, case.hidden)))
    best = _exact(found[settings[0]])
    return [_point(setting, answers, best) for setting, answers in found.items()]


def _point(setting: Setting, answers: Sequence[tuple[Reply, Score]], best: Sequence[bool]) -> Point:
    exact = _exact(answers)
    return Point(
        setting,
        share(exact),
        difference(exact, best),
        mean([score.edit_similarity for _, score in answers]),
        mean([float(reply.steps) for reply, _ in answers]),
        mean([reply.latency_ms for reply, _ in answers]),
    )


def _exact(answers: Sequence[tuple[Reply, Score]]) -> list[bool]:
    return [score.exact_match for _, score in answers]
