"""How sure the model may be: fits the table that turns log probabilities into confidence, and measures what a threshold shows.

Knows files of held-out code, and suggestions with their scores. Knows no decoding and no editor. Half of the packages is for
fitting, the other half for measuring, in equal shares of the cases; a calibrated model is never measured on a package that
its calibration has seen.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.progress import track

from model.checkpoints.calibration import Calibration, Table
from model.engine.engine import Engine
from model.evaluation.cases import line_ends, read_code
from model.evaluation.intervals import share
from model.infilling.request import Candidate
from model.training.documents import Document

THRESHOLDS = tuple(step / 10 for step in range(10))
CALIBRATION_SEED, MEASUREMENT_SEED = 1, 2  # of the places that are drawn
BINS = 10  # of the reliability table, equally wide


@dataclass(frozen=True)
class Case:
    """What was hidden behind a cursor, and what the model suggests there unasked: None if that nothing belongs there."""

    hidden: str
    suggested: Candidate | None

    def shown(self, minimum: float, cut: bool = True) -> Candidate | None:
        """What a threshold lets through: the whole suggestion or, if it may be `cut`, the part of it that holds."""
        held = self.suggested and self.suggested.held(minimum)
        return held if cut or held == self.suggested else None

    def is_right(self, shown: Candidate) -> bool:
        """Whether a whole suggestion is the rest of the line, or a part of one stood exactly there."""
        return is_rest(shown.text, self.hidden) if shown == self.suggested else is_part(shown.text, self.hidden)


@dataclass(frozen=True)
class Point:
    """A threshold: of `asked` cases, `shown` get something, which is `right` by its own claim, or the `rest` of the line."""

    threshold: float
    asked: int
    shown: int
    right: int
    rest: int
    characters: float  # mean length of what is shown

    def told(self) -> dict[str, object]:
        return {
            "threshold": self.threshold,
            "coverage": _share(self.shown, self.asked),
            "right": _share(self.right, self.shown),
            "rest_of_line": _share(self.rest, self.shown),
            "characters": round(self.characters, 1),
        }


def calibrate(engine: Engine, path: Path, limit: int) -> Calibration:
    """The model's calibration by isotonic regression (Zadrozny and Elkan 2002), on `limit` places in half of the packages.

    Needs scikit-learn.
    Raises ValueError for data that is not of two packages at least, or on which the model suggests nothing.
    """
    packages = _packages(path)
    if len(packages) < 2:
        raise ValueError(f"{path} is of one package; calibrating takes one to fit on and another to measure on")
    fitted = dict(list(packages.items())[::2])
    cases = _ask(engine, fitted, limit, CALIBRATION_SEED)
    suggested = [(case, case.suggested) for case in cases if case.suggested is not None]
    whole = [(candidate.score, case.is_right(candidate)) for case, candidate in suggested]
    parts = [(part.score, is_part(part.text, case.hidden)) for case, candidate in suggested for part in candidate.parts]
    if not whole or not parts:
        raise ValueError(f"the model suggests too little on {path}: there is nothing to calibrate")
    return Calibration(whole=_fitted(whole), parts=_fitted(parts), packages=tuple(fitted), cases=len(cases))


def _fitted(told: Sequence[tuple[float, bool]]) -> Table:
    from sklearn.isotonic import IsotonicRegression

    # One more mistake at the best score and one more hit at the worst: nothing is ever certain.
    scores, rights = zip(*told, (max(told)[0], False), (min(told)[0], True), strict=True)
    fit = IsotonicRegression().fit(scores, rights)
    rows = {round(float(s), 4): round(float(c), 4) for s, c in zip(fit.X_thresholds_, fit.y_thresholds_, strict=True)}
    return Table(scores=tuple(rows), confidences=tuple(rows.values()))


def evaluate(engine: Engine, path: Path, limit: int, threshold: float, plot: Path | None = None) -> dict[str, object]:
    """The report on `limit` places in packages that the calibration has not seen; `plot` gets the curves as a picture.

    Raises ValueError for a model without calibration, or data without another package.
    """
    calibration = engine.model.calibration
    if calibration is None:
        raise ValueError("the model is not calibrated; `quickfill eval confidence --calibrate` does that")
    unseen = {package: texts for package, texts in _packages(path).items() if package not in calibration.packages}
    if not unseen:
        raise ValueError(f"{path} holds only packages that the model was calibrated on")
    cases = _ask(engine, unseen, limit, MEASUREMENT_SEED)
    cut = [_point(cases, minimum) for minimum in THRESHOLDS]
    whole = [_point(cases, minimum, cut=False) for minimum in THRESHOLDS]
    if plot is not None:
        _draw(cut, whole, plot)
    suggested = [(case, case.suggested) for case in cases if case.suggested is not None]
    shown = [(case, held) for case in cases if (held := case.shown(threshold)) is not None]
    return {
        "benchmark": "confidence",
        "packages": list(unseen),
        "n": len(cases),
        "exact_match": _share(whole[0].rest, len(cases)),
        "at_threshold": _point(cases, threshold).told(),
        "curve": [point.told() for point in cut],
        "curve_uncut": [point.told() for point in whole],
        "calibration_error": _calibration_error(suggested),
        "calibration_error_shown": _calibration_error(shown),
        "reliability": _reliability(suggested),
        "reliability_shown": _reliability(shown),
    }


def is_rest(text: str, hidden: str) -> bool:
    """Whether the text is the rest of the line, blanks at its end aside."""
    return text.rstrip() == hidden.rstrip()


def is_part(text: str, hidden: str) -> bool:
    """Whether the hidden text begins with this text, and not with a longer word."""
    return hidden.startswith(text) and not re.match(r"\w\w", hidden[len(text) - 1 :])


def _share(count: int, of: int) -> list[float | None]:
    return share([True] * count + [False] * (of - count)).rounded()


def _packages(path: Path) -> dict[str, list[Document]]:
    """The files of each package, by its name."""
    documents: dict[str, list[Document]] = defaultdict(list)
    for document in read_code(path):
        documents[document.package].append(document)
    return {package: documents[package] for package in sorted(documents, key=str.lower)}


def _ask(engine: Engine, packages: Mapping[str, Sequence[Document]], limit: int, seed: int) -> list[Case]:
    """As many cases of each package, so that a large one does not decide, asked as an editor asks unasked."""
    places = [place for own in packages.values() for place in line_ends(own, -(-limit // len(packages)), seed)][:limit]
    cases = []
    for place in track(places, "Filling", disable=not sys.stderr.isatty()):
        request = replace(place.request(), allow_empty=True)
        candidates = engine.infill(request, "confidence").candidates
        cases.append(Case(place.hidden, next((c for c in candidates if c.text.strip()), None)))
    return cases


def _point(cases: Sequence[Case], threshold: float, cut: bool = True) -> Point:
    shown = [(case, held) for case in cases if (held := case.shown(threshold, cut)) is not None]
    right = sum(case.is_right(held) for case, held in shown)
    rest = sum(is_rest(held.text, case.hidden) for case, held in shown)
    characters = sum(len(held.text) for _, held in shown) / max(1, len(shown))
    return Point(threshold, len(cases), len(shown), right, rest, characters)


def _reliability(shown: Sequence[tuple[Case, Candidate]]) -> list[dict[str, float]]:
    """For each bin of confidence that holds some: how many, their mean confidence, and how many of them are right."""
    bins: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for case, candidate in shown:
        confidence = candidate.confidence or 0.0
        bins[min(int(confidence * BINS), BINS - 1)].append((confidence, case.is_right(candidate)))
    return [
        {
            "n": len(held),
            "confidence": round(float(np.mean([confidence for confidence, _ in held])), 4),
            "right": round(float(np.mean([right for _, right in held])), 4),
        }
        for _, held in sorted(bins.items())
    ]


def _calibration_error(shown: Sequence[tuple[Case, Candidate]]) -> float:
    """Expected calibration error (Naeini et al. 2015): how far confidence is from the truth, in the mean over the bins."""
    off = sum(row["n"] * abs(row["confidence"] - row["right"]) for row in _reliability(shown))
    return round(off / max(1, len(shown)), 4)


def _draw(cut: Sequence[Point], whole: Sequence[Point], plot: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for points, label in ((cut, "cut where confidence ends"), (whole, "whole lines only")):
        drawn = [point for point in points if point.shown]
        axes.plot([p.shown / p.asked for p in drawn], [p.right / p.shown for p in drawn], marker=".", label=label)
    axes.set(xlabel="coverage: share of requests with something shown", ylabel="share of shown that is right", ylim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(plot)
