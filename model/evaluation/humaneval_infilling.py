"""HumanEval-Infilling (Bavarian et al. 2022): fills the hole of each problem and runs its tests.

Knows the benchmark's files and what its public harness runs: prompt + completion + suffix + test. Knows no decoding and not how a
program is held in check.
"""

from __future__ import annotations

import gzip
import json
import sys
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError
from rich.progress import track

from model.engine.engine import Engine
from model.evaluation.intervals import Estimate, difference, share
from model.evaluation.replies import Costs, Reply, ask_all, costs
from model.evaluation.sandbox import runs_to_its_end
from model.infilling.request import BRANCHES, InfillRequest

TIMEOUT = 3.0  # seconds a problem's tests may run, as in the public harness
AT_ONCE = 2  # programs


class Problem(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)

    task_id: str
    entry_point: str
    prompt: str
    suffix: str
    test: str
    canonical_solution: str

    @property
    def kind(self) -> str:
        """`singleline`, `multiline`, `randomspan` or whatever else the task's name begins with."""
        return self.task_id.split("/")[0].lower().replace("-", "").removesuffix("light").removesuffix("infilling")

    @property
    def single_line(self) -> bool:
        return self.kind == "singleline"

    @property
    def floor(self) -> str:
        """What a model must beat: `pass` as deep as the hidden lines, or nothing where the hole is no whole line."""
        if self.kind == "randomspan":
            return ""
        line = next((line for line in self.canonical_solution.splitlines() if line.strip()), "")
        return line[: len(line) - len(line.lstrip())] + "pass\n"


def read_problems(path: Path, limit: int | None = None) -> list[Problem]:
    """The problems of a `.jsonl` or `.jsonl.gz` file. Raises ValueError for a file that is not the benchmark's."""
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    problems = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            problems.append(Problem.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            where = " ".join(["the value of", *map(str, first["loc"])]) if first["loc"] else "the line"
            raise ValueError(f"{path} is not a HumanEval-Infilling file: line {number}, {where}: {first['msg']}") from error
    if not problems:
        raise ValueError(f"{path} holds no problems")
    task_id, times = Counter(problem.task_id for problem in problems).most_common(1)[0]
    if times > 1:
        raise ValueError(f"{path} holds the task {task_id} {times} times")
    return problems[:limit]


def first_line(text: str) -> str:
    """Up to and with the first line break behind something that is not blank."""
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        if line.strip():
            return "".join(lines[: number + 1])
    return text


def passes(problem: Problem, completion: str) -> bool:
    """Whether the problem's tests pass, run as the public harness runs them."""
    program = problem.prompt + completion + problem.suffix + "\n" + problem.test + "\n" + f"check({problem.entry_point})"
    return runs_to_its_end(program, TIMEOUT)


@dataclass(frozen=True)
class Report:
    """`figures` and `costs` are those of `model`, and with a twin of `twin`; `figures` also of `floor` and the `difference`."""

    benchmark: str
    n: int
    figures: Mapping[str, Mapping[str, Estimate]]
    costs: Mapping[str, Costs]

    def as_json(self) -> dict[str, object]:
        """The model's figures stand at the top, their intervals in `intervals`; those of the others are [value, low, high]."""
        ours = self.figures["model"]
        others: dict[str, dict[str, object]] = {
            who: {name: estimate.rounded() for name, estimate in own.items()}
            for who, own in self.figures.items()
            if who != "model"
        }
        if "twin" in others:
            others["twin"] |= self.costs["twin"].as_json()
        return {
            "benchmark": self.benchmark,
            "n": self.n,
            **{name: round(estimate.value, 4) for name, estimate in ours.items()},
            **self.costs["model"].as_json(),
            "intervals": {name: estimate.rounded()[1:] for name, estimate in ours.items()},
            **others,
        }


def evaluate(
    engine: Engine,
    path: Path,
    limit: int | None = None,
    samples_out: Path | None = None,
    checked: bool = True,
    twin: Engine | None = None,
    branches: int = BRANCHES,
) -> Report:
    """The report of the benchmark in `path`; the completions go to `samples_out` in the public harness's format."""
    problems = read_problems(path, limit)
    if samples_out and not samples_out.absolute().parent.is_dir():
        raise ValueError(f"cannot write {samples_out}: {samples_out.absolute().parent} is not a folder")
    engines = {"model": engine} | ({"twin": twin} if twin else {})
    for one in engines.values():
        one.warm_up()
    replies: dict[str, list[Reply]] = {name: [] for name in engines}
    for turn, problem in enumerate(track(problems, "Filling", disable=not sys.stderr.isatty())):
        for name, reply in ask_all(engines, _request(problem, checked, branches), turn).items():
            replies[name].append(reply)
    completions = {name: [_trimmed(p, r.text) for p, r in zip(problems, own, strict=True)] for name, own in replies.items()}
    if samples_out:
        samples = ({"task_id": p.task_id, "completion": c} for p, c in zip(problems, completions["model"], strict=True))
        samples_out.write_text("".join(json.dumps(sample) + "\n" for sample in samples))
    completions["floor"] = [problem.floor for problem in problems]
    flags = {
        who: {
            "pass@1": _passed(problems, own),
            "exact_match": [p.canonical_solution.strip() == c.strip() for p, c in zip(problems, own, strict=True)],
        }
        for who, own in completions.items()
    }
    figures = {who: {name: share(column) for name, column in own.items()} for who, own in flags.items()}
    if twin:
        figures["difference"] = {name: difference(column, flags["twin"][name]) for name, column in flags["model"].items()}
    return Report(path.name.split(".")[0], len(problems), figures, {who: costs(own) for who, own in replies.items()})


def _request(problem: Problem, checked: bool, branches: int) -> InfillRequest:
    return InfillRequest(
        (problem.prompt, problem.suffix),
        max_tokens=64 if problem.single_line else 160,
        stop_after_line=problem.single_line,
        allow_empty=False,
        checked=checked,
        branches=branches,
    )


def _trimmed(problem: Problem, text: str) -> str:
    return first_line(text) if problem.single_line else text


def _passed(problems: Sequence[Problem], completions: Sequence[str]) -> list[bool]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(passes, problems, completions)
        return list(track(found, "Testing", len(problems), disable=not sys.stderr.isatty()))
