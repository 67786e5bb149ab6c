"""Quality on hidden code the model never saw, by kind of cursor position, beside what needs no model and beside a twin.

Knows which figures are reported for which cases. Knows no decoding.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.progress import track

from model.engine.engine import Engine
from model.evaluation.baselines import copied, floor
from model.evaluation.cases import Case, Kind, blocks, line_ends, read_code, whole_lines, within_lines
from model.evaluation.humaneval_infilling import first_line
from model.evaluation.intervals import Estimate, difference, mean, share
from model.evaluation.replies import Costs, Reply, ask_all, costs
from model.evaluation.scores import Score, differences, figures, score
from model.infilling.request import BRANCHES

ALL = "all ends of lines"
STEPS = "steps"  # the figure beside those of `Score`: passes that drafted or checked something
EXTRA_SHARE = 4  # for each kind with a sample of its own, a quarter as many cases as there are ends of lines
FEWEST = 20  # cases; of packages with fewer nothing is reported


@dataclass(frozen=True)
class Result:
    """One case: who answered what, and how good it was. Baselines have scores only."""

    case: Case
    replies: Mapping[str, Reply]
    scores: Mapping[str, Score]


@dataclass(frozen=True)
class Group:
    """The cases of one kind. `figures` are those of `model`, `copy`, `floor`, and with a twin of `twin` and the `difference`."""

    n: int
    figures: Mapping[str, Mapping[str, Estimate]]
    costs: Mapping[str, Costs]

    def as_json(self) -> dict[str, object]:
        figures = {who: {name: e.rounded() for name, e in own.items()} for who, own in self.figures.items()}
        return {"n": self.n, **figures, "costs": {who: own.as_json() for who, own in self.costs.items()}}


@dataclass(frozen=True)
class Report:
    """`packages` has how many ends of lines each package gave, and the model's exact match on them."""

    kinds: Mapping[str, Group]
    packages: Mapping[str, tuple[int, Estimate]]

    def as_json(self) -> dict[str, object]:
        """The ends of lines stand at the top; `kinds` has each figure as [value, low, high]."""
        ends = self.kinds[ALL]
        return {
            "benchmark": "lines",
            "n": ends.n,
            "exact_match": round(ends.figures["model"]["exact_match"].value, 4),
            "copy_exact_match": round(ends.figures["copy"]["exact_match"].value, 4),
            **ends.costs["model"].as_json(),
            "kinds": {name: group.as_json() for name, group in self.kinds.items()},
            "packages": {name: {"n": n, "exact_match": exact.rounded()} for name, (n, exact) in self.packages.items()},
        }


def evaluate(
    engine: Engine, path: Path, limit: int, checked: bool = True, twin: Engine | None = None, branches: int = BRANCHES
) -> Report:
    """The report over `limit` ends of lines, and a quarter as many of each kind that has a sample of its own.

    Raises ValueError for no such code.
    """
    documents = read_code(path)
    ends = line_ends(documents, limit)
    if not ends:
        raise ValueError(f"{path} holds no line whose end can be hidden")
    extra = -(-limit // EXTRA_SHARE)
    cases = [*ends, *within_lines(documents, extra), *whole_lines(documents, extra), *blocks(documents, extra)]
    engines = {"model": engine} | ({"twin": twin} if twin else {})
    for one in engines.values():
        one.warm_up()
    shown = track(cases, "Filling", disable=not sys.stderr.isatty())
    results = [_answered(engines, case, checked, branches, number) for number, case in enumerate(shown)]
    groups = {ALL: results[: len(ends)]} | {str(kind): [r for r in results if r.case.kind is kind] for kind in Kind}
    packages: dict[str, list[bool]] = defaultdict(list)
    for result in results[: len(ends)]:
        packages[result.case.package].append(result.scores["model"].exact_match)
    return Report(
        {name: _group(group) for name, group in groups.items() if group},
        {name: (len(exact), share(exact)) for name, exact in sorted(packages.items()) if len(exact) >= FEWEST},
    )


def _answered(engines: Mapping[str, Engine], case: Case, checked: bool, branches: int, turn: int) -> Result:
    tokenizer = engines["model"].model.tokenizer
    replies = ask_all(engines, replace(case.request(), checked=checked, branches=branches), turn)
    texts = {name: reply.text for name, reply in replies.items()}
    if case.kind is Kind.WHOLE_LINE:
        texts = {name: first_line(text) for name, text in texts.items()}
    texts |= {"copy": copied(tokenizer, case), "floor": floor(case)}
    return Result(case, replies, {name: score(tokenizer, text, case.hidden) for name, text in texts.items()})


def _group(results: Sequence[Result]) -> Group:
    scores = {who: [result.scores[who] for result in results] for who in results[0].scores}
    replies = {who: [result.replies[who] for result in results] for who in results[0].replies}
    steps = {who: [float(reply.steps) for reply in own] for who, own in replies.items()}
    found = {who: figures(own) | ({STEPS: mean(steps[who])} if who in steps else {}) for who, own in scores.items()}
    if "twin" in scores:
        found["difference"] = differences(scores["model"], scores["twin"]) | {STEPS: difference(steps["model"], steps["twin"])}
    return Group(len(results), found, {who: costs(own) for who, own in replies.items()})
