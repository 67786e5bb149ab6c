"""`eval context`: every source is measured on the same places, and shows the model what it says it shows."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from lsp_server.benchmarks.context import cases, commit_cases, measure, measure_commits
from model.engine.engine import Engine

STORE = "def insert_invoice(invoice, customer):\n    return table.insert(invoice.number, customer)\n"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "store.py").write_text(STORE)
    (tmp_path / "bill.py").write_text("def bill(customer, invoice):\n    return insert_invoice(invoice, customer)\n")
    return tmp_path


def test_what_is_hidden_is_the_end_of_a_line(workspace: Path) -> None:
    for case in cases([workspace], 20, np.random.default_rng(0)):
        assert len(case.hidden) >= 4
        assert "\n" not in case.hidden
        assert case.file.text[case.end] == "\n"
        assert case.text[: case.cursor] + case.hidden + case.text[case.cursor :] == case.file.text


def test_the_sources_are_measured_on_the_same_places(workspace: Path, bundled: Engine) -> None:
    nothing, anything, similar, signatures, both, copied = measured = measure(bundled, [workspace], 8)
    assert {source.n for source in measured} == {8}
    assert nothing.tokens == 0
    assert anything.tokens > 0
    assert similar.tokens == copied.tokens > 0
    assert both.tokens == similar.tokens + signatures.tokens
    assert nothing.gain.value == 0
    assert similar.gain.value == pytest.approx(similar.exact.value - nothing.exact.value)


def test_a_folder_of_one_file_is_no_workspace(tmp_path: Path, bundled: Engine) -> None:
    (tmp_path / "only.py").write_text(STORE)
    with pytest.raises(ValueError, match="no workspace of several files"):
        measure(bundled, [tmp_path], 8)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A commit that changes two files of three, in two places each."""

    def git(*arguments: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *who, "-C", str(tmp_path), *arguments], check=True, capture_output=True)

    git("init", "-q")
    for word in ("invoice", "payment"):
        for name in ("a.py", "b.py"):
            (tmp_path / name).write_text(f"top = {word}_number\n" + STORE * 3 + f"below = {word}_number_{name[0]}\n")
        (tmp_path / "c.py").write_text("unchanged = invoice_number\n")
        git("add", ".")
        git("commit", "-q", "-m", word)
    return tmp_path


def test_a_case_of_a_commit_is_as_the_files_were_when_a_line_was_written(repository: Path) -> None:
    for seed in range(8):
        [case] = commit_cases([repository], 5, np.random.default_rng(seed))
        texts = {file.name: file.text for file in case.files}
        assert set(texts) == {"a.py", "b.py", "c.py"}
        [(edited, before)] = case.edited.items()
        assert edited.name != case.file.name
        assert "payment" in texts[edited.name]
        assert "payment" not in before
        line = case.file.text[case.file.text.rfind("\n", 0, case.cursor) + 1 : case.end]
        assert "payment" in line
        later = case.file.text[case.end :]
        assert "payment" not in later  # what the commit changed further down is not written yet
        assert case.hidden in line


def test_the_files_edited_lately_are_a_source(repository: Path, bundled: Engine) -> None:
    nothing, similar, copied, edited, diff, visited, both = measure_commits(bundled, [repository], 5)
    assert {source.n for source in (nothing, similar, copied, edited, diff, visited, both)} == {1}
    assert nothing.tokens == 0
    assert min(similar.tokens, edited.tokens, diff.tokens, visited.tokens) > 0
    assert both.tokens == visited.tokens + similar.tokens


def test_without_such_a_commit_there_is_nothing_to_measure(tmp_path: Path, bundled: Engine) -> None:
    with pytest.raises(ValueError, match="repository"):
        measure_commits(bundled, [tmp_path], 5)
