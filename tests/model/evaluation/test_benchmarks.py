"""`quickfill eval` from the command line: what it reports, and one line for what cannot be read."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from lsp_server.tables import print_curve, print_drafts, print_humaneval, print_lines
from model.engine.engine import Engine
from model.evaluation import curve, drafts, humaneval_infilling, lines
from model.evaluation.cases import Kind
from model.evaluation.humaneval_infilling import Problem, passes, read_problems
from model.evaluation.scores import FIELDS

ROOT = Path(__file__).parents[3]
TEST = "def check(candidate):\n    assert candidate(2, 3) == 6\n"


def problem(split: str, prompt: str, hidden: str, suffix: str, number: int = 0) -> Problem:
    return Problem(
        task_id=f"{split}/HumanEval/{number}/L0",
        entry_point="area",
        prompt=prompt,
        suffix=suffix,
        test=TEST,
        canonical_solution=hidden,
    )


PROBLEMS = [
    problem("SingleLineInfilling", "def area(w, h):\n", "    return w * h\n", ""),
    problem("MultiLineInfilling", "def area(w, h):\n", "    total = w * h\n    return total\n", ""),
    problem("RandomSpanInfilling", "def area(w, h):\n    ret", "urn w *", " h\n"),
    problem("RandomSpanInfillingLight", "def area(w, h):\n    total = w", " * h", "\n    return total\n"),
]


def written(path: Path, problems: list[Problem]) -> Path:
    text = "".join(p.model_dump_json() + "\n" for p in problems)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def failure(*arguments: str | Path) -> str:
    """The line that a command ends with."""
    command = [sys.executable, "-m", "lsp_server", "eval", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


@pytest.mark.parametrize("one", PROBLEMS, ids=[p.kind for p in PROBLEMS])
def test_the_hidden_text_passes_and_the_floor_does_not(one: Problem) -> None:
    assert passes(one, one.canonical_solution)
    assert not passes(one, one.floor)
    assert not passes(one, "    return w + h\n")


def test_leaving_before_the_tests_is_no_pass() -> None:
    assert not passes(PROBLEMS[0], "    import os; os._exit(0)\n")
    assert not passes(PROBLEMS[0], "    raise SystemExit(0)\n")


def test_the_floor_of_whole_lines_is_pass_at_their_depth() -> None:
    assert [p.floor for p in PROBLEMS] == ["    pass\n", "    pass\n", "", ""]


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz"])
def test_problems_come_back_as_they_were_written(tmp_path: Path, name: str) -> None:
    odd = PROBLEMS[0].model_copy(update={"task_id": "SingleLineInfilling/a\u2028b"})
    assert read_problems(written(tmp_path / name, [*PROBLEMS, odd])) == [*PROBLEMS, odd]
    assert read_problems(tmp_path / name, 2) == PROBLEMS[:2]


def test_every_damaged_file_is_named_with_what_is_wrong_about_it(tmp_path: Path) -> None:
    whole = written(tmp_path / "whole.jsonl.gz", PROBLEMS).read_bytes()
    row = PROBLEMS[0].model_dump()
    files = {
        "cut.jsonl.gz": (whole[: len(whole) // 2], "cannot read"),
        "flipped.jsonl.gz": (whole[:40] + bytes(b ^ 255 for b in whole[40:60]) + whole[60:], "cannot read"),
        "plain.jsonl.gz": (b"{}", "cannot read"),
        "binary.jsonl": (b"\xff\xfe\0", "cannot read"),
        "empty.jsonl": (b"\n\n", "holds no problems"),
        "prose.jsonl": (b"hello\n", "line 1"),
        "list.jsonl": (b"[1, 2]\n", "line 1"),
        "other.jsonl": (json.dumps({**row, "prompt": 3}).encode(), "prompt"),
        "missing.jsonl": (json.dumps({k: v for k, v in row.items() if k != "test"}).encode(), "test"),
        "twice.jsonl": ((json.dumps(row) + "\n").encode() * 2, "2 times"),
    }
    for name, (content, complaint) in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=complaint) as found:
            read_problems(tmp_path / name)
        assert name in str(found.value)
        assert "\n" not in str(found.value)


def test_the_command_says_in_one_line_what_it_cannot_use(tmp_path: Path) -> None:
    (tmp_path / "cut.jsonl.gz").write_bytes(written(tmp_path / "a.jsonl.gz", PROBLEMS).read_bytes()[:60])
    assert "cut.jsonl.gz" in failure("humaneval-infilling", "--data", tmp_path / "cut.jsonl.gz")
    assert ".svg" in failure("curve", "--data", ROOT / "model", "--plot", tmp_path / "curve.gif")
    assert "no model at" in failure("lines", "--data", ROOT / "model", "--twin", tmp_path)


def test_humaneval_reports_the_contract_beside_floor_and_twin(
    bundled: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samples = tmp_path / "samples.jsonl"
    report = humaneval_infilling.evaluate(bundled, written(tmp_path / "Tiny.jsonl", PROBLEMS), samples_out=samples, twin=bundled)
    found = report.as_json()
    assert list(found)[:4] == ["benchmark", "n", "pass@1", "exact_match"]
    assert {"mean_steps", "latency_ms", "intervals", "floor", "twin", "difference"} <= set(found)
    assert (found["benchmark"], found["n"]) == ("Tiny", 4)
    assert found["floor"]["pass@1"][0] == 0
    assert found["difference"]["pass@1"] == [0, 0, 0]
    assert [json.loads(line)["task_id"] for line in samples.read_text().splitlines()] == [p.task_id for p in PROBLEMS]
    print_humaneval(report)
    assert "floor" in capsys.readouterr().out


def test_lines_are_reported_by_kind_beside_baselines_and_a_twin(bundled: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    report = lines.evaluate(bundled, ROOT / "model", 8, twin=bundled)
    found = report.as_json()
    assert list(found)[:5] == ["benchmark", "n", "exact_match", "copy_exact_match", "mean_steps"]
    assert found["n"] == 8
    kinds = found["kinds"]
    assert {lines.ALL, Kind.WITHIN_LINE, Kind.WHOLE_LINE, Kind.SEVERAL_LINES} < set(kinds)
    assert sum(group["n"] for group in kinds.values()) == 8 + 8 + 2 + 2 + 2
    ends = kinds[lines.ALL]
    assert set(ends["model"]) == {*FIELDS, "steps"}
    assert ends["model"]["exact_match"][0] == found["exact_match"]
    assert ends["floor"]["exact_match"][0] == 0
    assert ends["difference"]["accepted_prefix"] == [0, 0, 0]
    print_lines(report)
    assert "several lines" in capsys.readouterr().out


def test_the_curve_has_a_point_for_each_setting_and_is_drawn(
    bundled: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from model.evaluation.plot import draw

    points = curve.measure(bundled, ROOT / "model", 3, twin=bundled)
    by_name = {point.setting.name: point for point in points}
    assert len(by_name) == len(curve.SETTINGS) + 1
    unchecked = [point.steps.value for name, point in by_name.items() if name.startswith("unchecked")]
    assert by_name["unchecked, one step"].steps.value == min(unchecked)
    assert by_name["unchecked, slot by slot"].steps.value > by_name["unchecked, gamma 3.0"].steps.value
    assert by_name["autoregressive twin"].behind.value == by_name["checked"].behind.value == 0
    for name, beginning in (("curve.png", b"\x89PNG"), ("curve.svg", b"<?xml")):
        draw(points, tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(beginning)
    print_curve(points)
    assert "unchecked, one step" in capsys.readouterr().out


def test_drafts_save_passes_and_change_no_text(bundled: Engine) -> None:
    found = {(d.kind, d.sources): d for d in drafts.measure(bundled, ROOT / "model" / "infilling", 12)}
    print_drafts(list(found.values()))
    for kind in (drafts.LINES, drafts.BLOCKS):
        undrafted, drafted = found[kind, "none"], found[kind, "copies, table"]
        assert undrafted.tokens_per_pass <= 1.0
        assert drafted.passes.value < undrafted.passes.value
        assert drafted.accepted.total() > 0 == undrafted.accepted.total()
        assert all(d.same_text == 1.0 for d in found.values())
