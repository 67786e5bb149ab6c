"""Do people make the next edits that would be proposed to them? Measured on the commits of repositories.

Knows commits, edits and an engine. Knows no editor. A case is one edit of a commit whose old text still stands elsewhere in the
file, or in other files as they were before the commit; a proposal is right if the commit leaves the new text in that place.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from rich.progress import track

from lsp_server.benchmarks.history import Commit, Edit, changes, edits_between, files_before
from lsp_server.completion.next_edit import (
    Change,
    change_between,
    files_with,
    next_edit,
    next_edit_elsewhere,
    places,
    places_away,
)
from lsp_server.context.project import SourceFile
from model.engine.engine import Engine
from model.evaluation.intervals import Estimate, share
from model.infilling.alike import names_in

NEWEST = 1_000  # changed files of one repository that are looked at


@dataclass(frozen=True)
class Case:
    text: str  # with the edit in it
    change: Change
    right: dict[int, bool]  # for each other place of the old text, whether the new one will stand there

    @property
    def nearest(self) -> bool:
        return self.right[places(self.text, self.change)[0]]

    @property
    def has_chance(self) -> bool:
        """Whether a proposal can be right."""
        return any(self.right.values())


@dataclass(frozen=True)
class CaseElsewhere:
    text: str  # with the edit in it
    path: str
    change: Change
    files: Sequence[SourceFile]  # in which the old text stands, in the order in which they are looked at
    after: dict[str, str]  # what the commit makes of the files that it changes

    def is_right(self, file: SourceFile, at: int) -> bool:
        after = self.after.get(file.name)
        return after is not None and _will_stand(self.change, at, edits_between(file.text, after), after)

    @property
    def nearest(self) -> bool:
        return self.is_right(self.files[0], places_away(self.files[0].text, self.change)[0])

    @property
    def has_chance(self) -> bool:
        """Whether a proposal can be right."""
        return any(self.is_right(file, at) for file in self.files for at in places_away(file.text, self.change))


AnyCase = TypeVar("AnyCase", Case, CaseElsewhere)


@dataclass(frozen=True)
class Way:
    name: str
    n: int  # cases
    proposed: Estimate  # of the cases
    right: Estimate  # of the proposals
    found: Estimate  # right proposals, of the cases in which some place will change
    milliseconds: float  # median

    def as_json(self) -> dict[str, object]:
        estimates = {"proposed": self.proposed, "right": self.right, "found": self.found}
        rounded = {name: value.rounded() for name, value in estimates.items()}
        return {"name": self.name, "n": self.n, **rounded, "ms": round(self.milliseconds, 1)}


def measure(engine: Engine, repositories: Sequence[Path], count: int, seed: int = 0) -> list[Way]:
    """Proposals without a model, and with it. Raises HistoryError; ValueError where no commit has a case."""

    def agreed(case: Case) -> bool | None:
        proposal = next_edit(engine, case.text, case.change, "next edits")
        return None if proposal is None else case.right[proposal.start]

    drawn = _drawn(cases, repositories, count, seed)
    return [
        _way("the nearest place with the same words", drawn, lambda case: case.nearest),
        _way("the nearest that the model would change, too", drawn, agreed),
    ]


def measure_elsewhere(engine: Engine, repositories: Sequence[Path], count: int, seed: int = 0) -> list[Way]:
    """The same for proposals in other files."""

    def agreed(case: CaseElsewhere) -> bool | None:
        proposal = next_edit_elsewhere(engine, case.text, case.path, case.change, case.files, "next edits")
        return None if proposal is None else case.is_right(proposal[0], proposal[1].start)

    drawn = _drawn(cases_elsewhere, repositories, count, seed)
    return [
        _way("the first place of the file most alike", drawn, lambda case: case.nearest),
        _way("the first that the model would change, too", drawn, agreed),
    ]


def _drawn(found_in: Callable[[Path], Iterator[AnyCase]], repositories: Sequence[Path], count: int, seed: int) -> list[AnyCase]:
    found = [case for repository in repositories for case in found_in(repository)]
    if not found:
        raise ValueError("no commit of these repositories changes the same words in one place and has them in another")
    return [found[number] for number in np.random.default_rng(seed).permutation(len(found))[:count]]


def cases(repository: Path) -> Iterator[Case]:
    """Of the newest commits. Raises HistoryError."""
    for change in islice(changes(repository), NEWEST):
        text = change.before
        for number, edit in enumerate(change.edits):
            before, text = text, edit.applied(text)
            same = change_between(before, text)
            if same is not None and (elsewhere := places(text, same)):
                rest = change.edits[number + 1 :]
                final = text
                for later in rest:
                    final = later.applied(final)
                yield Case(text, same, {at: _will_stand(same, at, rest, final) for at in elsewhere})


def cases_elsewhere(repository: Path) -> Iterator[CaseElsewhere]:
    """Of the newest commits. Raises HistoryError."""
    commit: Commit | None = None
    files: dict[str, SourceFile] = {}
    for change in islice(changes(repository), NEWEST):
        if change.commit != commit:
            commit = change.commit
            texts = files_before(repository, commit)
            files = {path: SourceFile(Path(path), path, text, names_in(text)) for path, text in texts.items()}
        after = {path: text for path, (_, text) in commit.files.items()}
        others = [file for path, file in files.items() if path != change.path]
        text = change.before
        for edit in change.edits:
            before, text = text, edit.applied(text)
            same = change_between(before, text)
            if same is not None and (elsewhere := files_with(others, text, same)):
                yield CaseElsewhere(text, change.path, same, elsewhere, after)


def _will_stand(change: Change, at: int, edits: Sequence[Edit], final: str) -> bool:
    """Whether the edits put the new text where the old one stands."""
    for edit in edits:
        behind = edit.at + edit.removed
        if behind <= at and (edit.removed or edit.at < at):
            at += len(edit.written) - edit.removed
        elif edit.at < at:  # it began before the place: the new text is in what it wrote, or nowhere
            inside = edit.written.find(change.new)
            if inside < 0:
                return False
            at = edit.at + inside
    end = at + len(change.new)
    whole = not (change.new[-1:].isalnum() and final[end : end + 1].isalnum())
    return whole and final.startswith(change.new, at)


def _way(name: str, drawn: Sequence[AnyCase], propose: Callable[[AnyCase], bool | None]) -> Way:
    """`propose` tells whether what is proposed is right; None: nothing is."""
    right: list[bool | None] = []
    times: list[float] = []
    for case in track(drawn, "Proposing", disable=not sys.stderr.isatty()):
        began = time.perf_counter()
        right.append(propose(case))
        times.append((time.perf_counter() - began) * 1000)
    return Way(
        name,
        len(right),
        share([one is not None for one in right]),
        share([one for one in right if one is not None]),
        share([bool(one) for one, case in zip(right, drawn, strict=True) if case.has_chance]),
        statistics.median(times),
    )
