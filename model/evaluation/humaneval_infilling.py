"""HumanEval-Infilling (Bavarian et al. 2022): fills the hole of each problem and runs its tests.

Knows the benchmark's files and its harness: prompt + completion + suffix + test, in a process of its own. Knows no decoding.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.progress import track

from model.engine.engine import Engine
from model.infilling.request import InfillRequest

TIMEOUT = 5  # seconds a problem's tests may run
_LIMITS = "import resource, signal\nresource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))\nsignal.alarm({})\n"


@dataclass(frozen=True)
class Problem:
    task_id: str
    entry_point: str
    prompt: str
    suffix: str
    test: str
    canonical_solution: str

    @property
    def single_line(self) -> bool:
        return self.task_id.lower().replace("-", "").startswith("singleline")


def read_problems(path: Path, limit: int | None = None) -> list[Problem]:
    """The problems of a `.jsonl` or `.jsonl.gz` file. Raises ValueError for a file that is not the benchmark's."""
    raw = path.read_bytes()
    try:
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
        rows = [json.loads(line) for line in text.splitlines() if line.strip()][:limit]
        return [Problem(**{name: row[name] for name in Problem.__dataclass_fields__}) for row in rows]
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a HumanEval-Infilling file: {error!r}") from error


def first_line(text: str) -> str:
    """Up to and with the first line break behind something that is not blank."""
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        if line.strip():
            return "".join(lines[: number + 1])
    return text


def passes(problem: Problem, completion: str) -> bool:
    program = _LIMITS.format(TIMEOUT) + problem.prompt + completion + problem.suffix + "\n" + problem.test
    program += f"\ncheck({problem.entry_point})\n"
    try:
        ran = subprocess.run(
            [sys.executable, "-I", "-"],
            input=program.encode("utf-8", "replace"),
            capture_output=True,
            timeout=TIMEOUT + 5,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return ran.returncode == 0


def evaluate(engine: Engine, path: Path, limit: int | None, samples_out: Path | None, checked: bool = True) -> dict[str, object]:
    """The report of the benchmark in `path`; the completions go to `samples_out` in the public harness's format."""
    problems = read_problems(path, limit)
    engine.warm_up()
    completions: list[str] = []
    steps: list[int] = []
    latencies: list[float] = []
    for problem in track(problems, "Filling", disable=not sys.stderr.isatty()):
        request = InfillRequest(
            (problem.prompt, problem.suffix),
            max_tokens=64 if problem.single_line else 160,
            stop_after_line=problem.single_line,
            allow_empty=False,
            checked=checked,
        )
        answer = engine.infill(request, "humaneval")
        text = answer.candidates[0].text if answer.candidates else ""
        completions.append(first_line(text) if problem.single_line else text)
        steps.append(answer.steps)
        latencies.append(answer.timings_ms["total"])
    if samples_out:
        samples = ({"task_id": p.task_id, "completion": c} for p, c in zip(problems, completions, strict=True))
        samples_out.write_text("".join(json.dumps(sample) + "\n" for sample in samples))
    with ThreadPoolExecutor(2) as pool:
        passed = list(track(pool.map(passes, problems, completions), "Testing", len(problems), disable=not sys.stderr.isatty()))
    exact = [p.canonical_solution.strip() == c.strip() for p, c in zip(problems, completions, strict=True)]
    return {
        "benchmark": path.name.split(".")[0],
        "n": len(problems),
        "pass@1": round(float(np.mean(passed)), 4),
        "exact_match": round(float(np.mean(exact)), 4),
        "mean_steps": round(float(np.mean(steps)), 2),
        "latency_ms": percentiles(latencies),
    }


def percentiles(values: Sequence[float]) -> dict[str, float]:
    return {f"p{q}": round(float(np.percentile(values, q)), 1) for q in (50, 95)}
