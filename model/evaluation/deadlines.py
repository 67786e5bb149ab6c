"""Quality against the deadline: the same hidden ends of lines, answered in ever less time.

Knows requests, deadlines and hidden code. Knows no decoding, and draws with matplotlib (the `eval` extra).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.progress import track

from model.engine.engine import Engine
from model.evaluation.cases import Case, line_ends, read_code
from model.evaluation.intervals import Estimate, mean, share
from model.evaluation.replies import Reply, ask
from model.evaluation.scores import score

DEADLINES: tuple[float | None, ...] = (2, 4, 6, 8, 10, 12, 15, 20, 25, 30, 40, 60, 100, None)  # milliseconds


@dataclass(frozen=True)
class Point:
    """What one deadline left. A text counts as right as far as the hidden line goes the same way."""

    deadline_ms: float | None
    exact_match: Estimate
    shown: Estimate  # share of the places at which there was an answer
    right: Estimate | None  # share of those answers that are right as far as they go; None without any
    accepted: Estimate  # characters up to the first wrong one
    latency_ms: Estimate
    late_ms: tuple[float, float]  # 99th percentile and maximum of the time behind the deadline

    def as_json(self) -> dict[str, object]:
        return {
            "deadline_ms": self.deadline_ms,
            "exact_match": self.exact_match.rounded(),
            "shown": self.shown.rounded(),
            "right": self.right and self.right.rounded(),
            "accepted_prefix": self.accepted.rounded(),
            "latency_ms": self.latency_ms.rounded(),
            "late_ms": {"p99": round(self.late_ms[0], 2), "max": round(self.late_ms[1], 2)},
        }


def measure(engine: Engine, path: Path, limit: int) -> list[Point]:
    """One point for each deadline over the same `limit` ends of lines, the visible text being in the cache.

    All deadlines answer a case before the next one is asked, in an order that changes. Raises ValueError for a path without code.
    """
    cases = line_ends(read_code(path), limit)
    if not cases:
        raise ValueError(f"{path} holds no line that can be hidden")
    engine.warm_up()
    replies: dict[float | None, list[Reply]] = {deadline: [] for deadline in DEADLINES}
    for turn, case in enumerate(track(cases, "Filling", disable=not sys.stderr.isatty())):
        first = turn % len(DEADLINES)
        for deadline in DEADLINES[first:] + DEADLINES[:first]:
            replies[deadline].append(ask(engine, replace(case.request(), deadline_ms=deadline), warm=True))
    return [_point(engine, deadline, cases, own) for deadline, own in replies.items()]


def _point(engine: Engine, deadline: float | None, cases: Sequence[Case], replies: Sequence[Reply]) -> Point:
    scores = [score(engine.model.tokenizer, reply.text, case.hidden) for reply, case in zip(replies, cases, strict=True)]
    shown = [(reply.text, case.hidden) for reply, case in zip(replies, cases, strict=True) if reply.text.strip()]
    late = [max(0.0, reply.latency_ms - (deadline or float("inf"))) for reply in replies]
    return Point(
        deadline,
        share([one.exact_match for one in scores]),
        share([bool(reply.text.strip()) for reply in replies]),
        share([hidden.startswith(text.rstrip()) for text, hidden in shown]) if shown else None,
        mean([float(one.accepted_prefix) for one in scores]),
        mean([reply.latency_ms for reply in replies]),
        (float(np.percentile(late, 99)), max(late)),
    )


def draw(points: Sequence[Point], path: Path) -> None:
    """Writes a PNG or an SVG, by the path's ending."""
    from matplotlib.figure import Figure

    timed = [point for point in points if point.deadline_ms is not None]
    ever = next(point for point in points if point.deadline_ms is None)
    x = [point.deadline_ms for point in timed]
    figure = Figure(figsize=(11, 4), layout="constrained")
    quality, time = figure.subplots(1, 2)
    for name, colour, value, limit in (
        ("exact match", "#0072B2", [p.exact_match for p in timed], ever.exact_match),
        ("something is answered", "#D55E00", [p.shown for p in timed], ever.shown),
        ("of that, right as far as it goes", "#009E73", [p.right for p in timed], ever.right),
    ):
        quality.plot(x, [100 * one.value if one else float("nan") for one in value], color=colour, marker="o", label=name)
        if limit:
            quality.axhline(100 * limit.value, color=colour, linestyle=":", linewidth=1)
    quality.set(xlabel="deadline, ms (dotted: none)", ylabel="%", ylim=(0, 100))
    time.plot(x, x, color="#999999", linestyle=":", label="the deadline")
    time.plot(x, [point.latency_ms.value for point in timed], color="#0072B2", marker="o", label="mean answer")
    late = [(point.deadline_ms or 0) + point.late_ms[0] for point in timed]
    time.plot(x, late, color="#D55E00", marker="^", label="the latest 1 % of the answers")
    time.set(xlabel="deadline, ms", ylabel="ms")
    for axes in (quality, time):
        axes.set_xscale("log")
        axes.set_xticks([2, 5, 10, 20, 50, 100], labels=["2", "5", "10", "20", "50", "100"])
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    figure.savefig(path, dpi=150)
