"""Is it worth its tokens? Ends of lines in files of real workspaces, with and without what the model may see of other files.

Knows workspaces, sources of context and how to ask for an end of a line. Knows no decoding and no protocol. Every case is asked
as the language server asks, with the same budget of tokens: what comes from another file takes the place of text further away.
Places are drawn from the files as they lie there, or from lines that commits wrote, when the commit's other files were changed.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher, unified_diff
from itertools import accumulate, islice, zip_longest
from pathlib import Path

import numpy as np
from rich.progress import track

from lsp_server.benchmarks.history import commits, edits_between, files_before
from lsp_server.benchmarks.signatures import signatures_for
from lsp_server.completion.complete import LANGUAGES
from lsp_server.context.project import Project, SourceFile
from lsp_server.context.similar import most_alike, other_files_of
from lsp_server.context.window import sent_window
from model.engine.engine import Engine
from model.evaluation.intervals import Estimate, difference, share
from model.infilling.alike import MOST_CHARACTERS, around, as_other_file, names_in
from model.infilling.request import Infilling, InfillRequest

LEAST_CHARACTERS = 8  # of a line that is cut, and
LEAST_HIDDEN = 4  # of what is hidden of it
LEAST_FILES = 2  # of a workspace
MOST_CHANGED = 12  # files of a commit; more at once are renamed or reformatted

Choose = Callable[["Case"], tuple[str, ...]]
COPIED = "the same, and copies of the other files"  # the source that the model does not see


@dataclass(frozen=True)
class Case:
    """The end of a line, text[cursor:end], in one file of a workspace."""

    files: Sequence[SourceFile]
    file: SourceFile
    cursor: int
    end: int
    edited: Mapping[Path, str] = field(default_factory=dict)  # other files that were changed lately: what they said before

    @property
    def hidden(self) -> str:
        return self.file.text[self.cursor : self.end]

    @property
    def text(self) -> str:
        """The file without what is hidden."""
        return self.file.text[: self.cursor] + self.file.text[self.end :]


@dataclass(frozen=True)
class Source:
    """What the cases came to with it. `gain`: exact answers more than without anything, on the same cases."""

    name: str
    n: int
    exact: Estimate
    gain: Estimate
    tokens: float  # of other files, in the mean
    choosing_ms: float  # median
    answering_ms: float  # median; without a cache

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "n": self.n,
            "exact": self.exact.rounded(),
            "gain": self.gain.rounded(),
            "tokens": round(self.tokens),
            "choosing_ms": round(self.choosing_ms, 2),
            "answering_ms": round(self.answering_ms, 1),
        }


@dataclass
class _Tally:
    exact: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    choosing: list[float] = field(default_factory=list)
    answering: list[float] = field(default_factory=list)


def measure(engine: Engine, folders: Sequence[Path], count: int, seed: int = 0) -> list[Source]:
    """The sources, nothing first. Raises ValueError for a folder that is no workspace of several files."""
    rng = np.random.default_rng(seed)
    sources: dict[str, Choose] = {
        "nothing": lambda case: (),
        "the beginning of any file": lambda case: _any_beginning(rng, case),
        "the most similar piece": _most_alike,
        "the signatures of what is imported": _signatures,
        "the similar piece, and signatures": lambda case: (*_signatures(case), *_most_alike(case)),
        COPIED: _most_alike,
    }
    return _measured(engine, cases(folders, count, rng), sources)


def measure_commits(engine: Engine, repositories: Sequence[Path], count: int, seed: int = 0) -> list[Source]:
    """The same in lines that commits wrote. Raises HistoryError, and ValueError where no commit changed several files."""
    sources: dict[str, Choose] = {
        "nothing": lambda case: (),
        "the most similar piece": _most_alike,
        COPIED: _most_alike,
        "that of an edited file first": _edited_first,
        "the edits as a diff": _diff,
        "the place that was visited last": _visited,
        "that place, and the similar piece": lambda case: (*_visited(case), *_most_alike(case)),
    }
    return _measured(engine, commit_cases(repositories, count, np.random.default_rng(seed)), sources)


def _measured(engine: Engine, places: Sequence[Case], sources: Mapping[str, Choose]) -> list[Source]:
    tallies = {name: _Tally() for name in sources}
    for case in track(places, "Filling", disable=not sys.stderr.isatty()):
        parts = sent_window(case.text, [(case.cursor, case.cursor)]).parts
        for name, choose in sources.items():
            tally, began = tallies[name], time.perf_counter()
            others = choose(case)
            tally.choosing.append((time.perf_counter() - began) * 1000)
            request = InfillRequest(parts, others, single_line=True, allow_empty=False)
            found = _copying(engine, request, case) if name == COPIED else engine.infill(request)
            text = found.candidates[0].text if found.candidates else ""
            tally.exact.append(text.rstrip() == case.hidden.rstrip())
            tally.answering.append(found.timings_ms["total"])
            tally.tokens.append(sum(len(engine.model.tokenizer.encode(other)) for other in others))
    without = next(iter(tallies.values())).exact
    return [
        Source(
            name, len(own.exact), share(own.exact), difference(own.exact, without), statistics.fmean(own.tokens),
            statistics.median(own.choosing), statistics.median(own.answering),
        )
        for name, own in tallies.items()
    ]  # fmt: skip


def cases(folders: Sequence[Path], count: int, rng: np.random.Generator) -> list[Case]:
    """Places drawn from all files alike; raises ValueError where there are fewer than two of them."""
    files: list[tuple[list[SourceFile], SourceFile]] = []
    for folder in folders:
        project = Project([folder], LANGUAGES)
        project.scan()
        own = project.files()
        if len(own) < LEAST_FILES:
            raise ValueError(f"{folder} is no workspace of several files that the model knows and may see")
        files += [(own, file) for file in own]
    found: list[Case] = []
    for _ in range(50 * count):
        if len(found) == count:
            break
        own, file = files[int(rng.integers(len(files)))]
        case = _case(rng, own, file)
        if case is not None:
            found.append(case)
    return found


def commit_cases(repositories: Sequence[Path], count: int, rng: np.random.Generator) -> list[Case]:
    """One place for each of the newest commits that changed a few files, the repositories in turn.

    Of the place's own file, what the commit changed further up is there, what it changed further down is not yet.
    """
    drawn = [_of_commits(repository, rng) for repository in repositories]
    found = list(islice((case for row in zip_longest(*drawn) for case in row if case is not None), count))
    if not found:
        raise ValueError("no commit of these repositories changed several Python files that the model may see")
    return found


def _of_commits(repository: Path, rng: np.random.Generator) -> Iterator[Case]:
    for commit in commits(repository):
        if not 2 <= len(commit.files) <= MOST_CHANGED:
            continue
        for name in rng.permutation(sorted(commit.files)).tolist():
            file = _half_done(*commit.files[name], rng)
            if file is not None:
                text, first, last = file
                changed = {path: after for path, (_, after) in commit.files.items() if path != name}
                others = {**files_before(repository, commit), **changed, name: text}
                files = [SourceFile(Path("/", path), path, own, names_in(own)) for path, own in others.items()]
                own = next(one for one in files if one.name == name)
                case = _case_at(rng, files, own, int(rng.integers(first, last)))
                if case is not None:
                    yield replace(case, edited={Path("/", path): commit.files[path][0] for path in changed})
                    break


def _half_done(before: str, after: str, rng: np.random.Generator) -> tuple[str, int, int] | None:
    """A file while it is being changed, and the numbers of the lines that are being written; None if none are."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    written = [
        code for code in SequenceMatcher(None, old, new, autojunk=False).get_opcodes() if code[0] != "equal" and code[3] < code[4]
    ]
    if not written:
        return None
    _, _, replaced, first, last = written[int(rng.integers(len(written)))]
    return "".join(new[:last] + old[replaced:]), first, last


def _case(rng: np.random.Generator, files: Sequence[SourceFile], file: SourceFile) -> Case | None:
    return _case_at(rng, files, file, int(rng.integers(file.text.count("\n") + 1)))


def _case_at(rng: np.random.Generator, files: Sequence[SourceFile], file: SourceFile, number: int) -> Case | None:
    """A place in this line; None where there is little to hide."""
    lines = file.text.split("\n")
    line = lines[number]
    if len(line.strip()) < LEAST_CHARACTERS or line.lstrip().startswith("#"):
        return None
    indent, start = len(line) - len(line.lstrip()), sum(len(one) + 1 for one in lines[:number])
    return Case(files, file, start + int(rng.integers(indent, len(line) - LEAST_HIDDEN + 1)), start + len(line))


def _copying(engine: Engine, request: InfillRequest, case: Case) -> Infilling:
    """The answer of an engine that knows the case's other files."""
    project = str(id(case.files))
    request = replace(request, project=(project, case.file.name))
    found = engine.infill(request)
    if not found.knows_project:
        engine.tell(project, {file.name: file.text for file in case.files}, whole=True).result()
        found = engine.infill(request)
    return found


def _most_alike(case: Case) -> tuple[str, ...]:
    return other_files_of(most_alike(case.files, case.file.path, case.text, case.cursor))


def _signatures(case: Case) -> tuple[str, ...]:
    return signatures_for(case.files, case.file.name, case.text, case.cursor)


def _any_beginning(rng: np.random.Generator, case: Case) -> tuple[str, ...]:
    others = [file for file in case.files if file is not case.file]
    other = others[int(rng.integers(len(others)))]
    return (f"# {other.name}\n{other.text[:MOST_CHARACTERS]}",)


def _edited_first(case: Case) -> tuple[str, ...]:
    lately = [file for file in case.files if file.path in case.edited]
    return other_files_of(most_alike(lately, case.file.path, case.text, case.cursor)) or _most_alike(case)


def _visited(case: Case) -> tuple[str, ...]:
    """Around the last change in one of the other files that were changed: there somebody was before coming here."""
    changed = [file for file in case.files if file.path in case.edited]
    if not changed:
        return ()
    file = changed[-1]
    edits = edits_between(case.edited[file.path], file.text)
    at = edits[-1].at if edits else 0
    return (as_other_file(file.name, around(file.text, at)[:MOST_CHARACTERS]),)


def _diff(case: Case) -> tuple[str, ...]:
    """What was changed in the other files, as much of it as is shown of a piece."""
    lines: list[str] = []
    for file in case.files:
        if file.path in case.edited:
            old, new = case.edited[file.path].splitlines(keepends=True), file.text.splitlines(keepends=True)
            changed = list(unified_diff(old, new))[2:]  # without the names of the files
            lines += [f"# {file.name}\n", *(line for line in changed if not line.startswith("@@"))]
    ends = [end for end in accumulate(map(len, lines)) if end <= MOST_CHARACTERS]
    return ("".join(lines)[: ends[-1]],) if ends else ()
