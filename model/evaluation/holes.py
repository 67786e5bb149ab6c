"""Several holes that depend on each other: does filling them jointly find what filling them one by one does not?

Knows holes cut from real code and ways to ask for them. Knows no decoding. A case is one name of the code, hidden in three lines
that stand near each other: whoever fills one of them must know what the others will say. Right is a filling that begins with the
name as a whole word: what a small model writes behind it is another matter.
"""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.progress import track

from model.engine.engine import Engine
from model.evaluation.cases import AFTER, BEFORE, read_code
from model.evaluation.intervals import Estimate, difference, mean, share
from model.infilling.request import InfillRequest
from model.training.documents import Document

HOLES = 3
NEAR = 25  # lines in which all of them stand
SHORTEST_NAME = 3
MOST_TOKENS = 16
_NAME = re.compile(r"(?<![\w.\"'])[A-Za-z_]\w+(?![\w\"'])")


@dataclass(frozen=True)
class HoleCase:
    package: str
    parts: tuple[str, ...]  # the texts around the holes
    name: str  # what stood in all of them


@dataclass(frozen=True)
class Answer:
    texts: tuple[str, ...]
    passes: int
    milliseconds: float


@dataclass(frozen=True)
class Way:
    """One way to fill the holes, over all cases."""

    name: str
    n: int
    all_right: Estimate
    agree: Estimate  # all holes got the same name, right or not
    holes_right: Estimate
    passes: Estimate
    milliseconds: Estimate
    ahead: Estimate  # all right, minus that of the first way, on the same cases

    def as_json(self) -> dict[str, object]:
        figures = {name: value.rounded() for name, value in vars(self).items() if isinstance(value, Estimate)}
        return {"way": self.name, "n": self.n, **figures}


@dataclass
class _Tally:
    all_right: list[float] = field(default_factory=list)
    agree: list[float] = field(default_factory=list)
    holes_right: list[float] = field(default_factory=list)
    passes: list[float] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)


def hole_cases(documents: Sequence[Document], count: int, seed: int = 0) -> list[HoleCase]:
    """Names drawn at random from random files; fewer than `count` where hardly any stands three times nearby."""
    rng = np.random.default_rng(seed)
    cases: list[HoleCase] = []
    for _ in range(50 * count):
        if len(cases) == count:
            break
        document = documents[int(rng.integers(len(documents)))]
        found = _case(rng, document)
        if found is not None:
            cases.append(found)
    return cases


def _case(rng: np.random.Generator, document: Document) -> HoleCase | None:
    text = document.text
    start = text.rfind("\n", 0, int(rng.integers(len(text)))) + 1
    end = start
    for _ in range(NEAR):
        end = text.find("\n", end) + 1 or len(text)
    spans: dict[str, dict[int, tuple[int, int]]] = {}  # the first occurrence in each line
    for found in _NAME.finditer(text, start, end):
        name, line = found[0], text.count("\n", start, found.start())
        comment = "#" in text[text.rfind("\n", 0, found.start()) + 1 : found.start()]
        if len(name) >= SHORTEST_NAME and not keyword.iskeyword(name) and name != "self" and not comment:
            spans.setdefault(name, {}).setdefault(line, found.span())
    often = sorted(name for name, own in spans.items() if len(own) >= HOLES)
    if not often:
        return None
    name = often[int(rng.integers(len(often)))]
    holes = sorted(spans[name].values())[:HOLES]
    edges = [max(0, holes[0][0] - BEFORE), *(edge for hole in holes for edge in hole), min(len(text), holes[-1][1] + AFTER)]
    parts = tuple(text[edges[i] : edges[i + 1]] for i in range(0, len(edges), 2))
    return HoleCase(document.package, parts, name)


def measure(engine: Engine, data: Path, count: int) -> list[Way]:
    """Raises ValueError for data without code."""
    cases = hole_cases(read_code(data), count)
    ways: dict[str, Callable[[HoleCase], Answer]] = {
        "one by one, each after those before it": lambda case: _one_by_one(engine, case.parts),
        "each alone": lambda case: _alone(engine, case.parts),
        "jointly, checked hole by hole": lambda case: _jointly(engine, case.parts, checked=True),
        "jointly, unchecked": lambda case: _jointly(engine, case.parts, checked=False),
    }
    tallies = {name: _Tally() for name in ways}
    for case in track(cases, "Filling", disable=not sys.stderr.isatty()):
        for name, fill in ways.items():
            answer, tally = fill(case), tallies[name]
            words = [_first_word(text) for text in answer.texts]
            right = [word == case.name for word in words]
            tally.all_right.append(all(right))
            tally.agree.append(len(set(words)) == 1 and bool(words[0]))
            tally.holes_right.append(sum(right) / HOLES)
            tally.passes.append(answer.passes)
            tally.milliseconds.append(answer.milliseconds)
    first = next(iter(tallies.values())).all_right
    return [
        Way(
            name, len(cases), share(own.all_right), share(own.agree), mean(own.holes_right),
            mean(own.passes), mean(own.milliseconds), difference(own.all_right, first),
        )
        for name, own in tallies.items()
    ]  # fmt: skip


def _first_word(text: str) -> str:
    found = re.match(r"\w+", text)
    return found[0] if found else ""


def _request(parts: tuple[str, ...], checked: bool = True) -> InfillRequest:
    return InfillRequest(parts, max_tokens=MOST_TOKENS, single_line=True, allow_empty=False, checked=checked)


def _jointly(engine: Engine, parts: tuple[str, ...], checked: bool) -> Answer:
    found = engine.infill(_request(parts, checked), "jointly")
    texts = found.candidates[0].texts if found.candidates else ("",) * HOLES
    return Answer(texts, found.forward_passes, found.timings_ms["total"])


def _one_by_one(engine: Engine, parts: tuple[str, ...]) -> Answer:
    """As one does who can only ask for one place: the later holes are empty, the earlier ones have what they got."""
    before, texts, passes, spent = parts[0], [], 0, 0.0
    for number in range(HOLES):
        found = engine.infill(_request((before, "".join(parts[number + 1 :]))), "one by one")
        texts.append(found.candidates[0].text if found.candidates else "")
        before += texts[-1] + parts[number + 1]
        passes += found.forward_passes
        spent += found.timings_ms["total"]
    return Answer(tuple(texts), passes, spent)


def _alone(engine: Engine, parts: tuple[str, ...]) -> Answer:
    texts, passes, spent = [], 0, 0.0
    for number in range(HOLES):
        around = ("".join(parts[: number + 1]), "".join(parts[number + 1 :]))
        found = engine.infill(_request(around), "alone")
        texts.append(found.candidates[0].text if found.candidates else "")
        passes += found.forward_passes
        spent += found.timings_ms["total"]
    return Answer(tuple(texts), passes, spent)
