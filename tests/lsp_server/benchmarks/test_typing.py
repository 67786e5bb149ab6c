"""The typing benchmark: it types what commits wrote, and counts what a person would see."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.benchmarks.history import Edit, HistoryError, changes, edits_between, next_key
from lsp_server.benchmarks.typing import replay, says_again

BEFORE = "import os\n\n\ndef home(user):\n    return user\n"
AFTER = "import os\n\n\ndef home(user):\n    path = os.path.join('home', user)\n    return path\n"
texts = st.text(alphabet="ab \n", max_size=60)


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *who, "-C", str(folder), *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two commits that change a file, and one of something else."""
    git(tmp_path, "init", "-q")
    for number, (name, text) in enumerate([("a.py", BEFORE), ("a.py", AFTER), ("notes.txt", "x"), ("a.py", AFTER + "x = 1\n")]):
        (tmp_path / name).write_text(text)
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "-q", "-m", str(number))
    return tmp_path


@given(texts, texts)
def test_the_edits_lead_from_one_text_to_the_other(before: str, after: str) -> None:
    text = before
    for edit in edits_between(before, after):
        text = edit.applied(text)
    assert text == after


@given(texts, texts, st.data())
def test_the_keys_write_what_is_to_be_written(text: str, rest: str, data: st.DataObject) -> None:
    cursor = data.draw(st.integers(0, len(text)))
    before, after, wanted = text[:cursor], text[cursor:], rest
    written = ""
    while rest:
        key = next_key(before + written + after, cursor + len(written), rest)
        assert key
        assert rest.startswith(key)
        written, rest = written + key, rest[len(key) :]
    assert written == wanted


def test_a_new_line_is_written_from_the_end_of_the_one_above() -> None:
    assert edits_between("a = 1\nb = 2\n", "a = 1\nc = 3\nb = 2\n") == [Edit(5, 0, "\nc = 3")]


def test_a_changed_line_is_changed_where_it_differs() -> None:
    assert edits_between("total = a\n", "total = a + b\n") == [Edit(9, 0, " + b")]


def test_enter_keeps_the_indentation_and_tab_makes_four_blanks() -> None:
    text = "def f():\n    x = 1"
    assert next_key(text, len(text), "\n    return x") == "\n    "
    assert next_key("def f():\n", 9, "    return") == "    "


def test_changes_come_newest_first(repository: Path) -> None:
    newest, oldest = changes(repository)
    assert newest.before == AFTER
    assert [edit.written for edit in newest.edits] == ["\nx = 1"]
    assert oldest.before == BEFORE


def test_a_repository_without_edits_to_type_is_said_before_a_server_starts(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "nothing")
    with pytest.raises(HistoryError, match="no commit changes Python code"):
        replay(tmp_path, 10, None)


def test_what_is_no_repository_is_said_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="not a git repository") as error:
        next(changes(tmp_path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "again"),
    [
        ("a = 1\n[b = 2]\nc = 3\n", False),
        ("a = 1\n[b = 2]\nb = 2\n", True),
        ("a = 1\n[a = 1]\nb = 2\n", True),
        ("import [os]\n\nimport os\n", True),
        ("f([a])\n", False),
        ("    f(\n        [a,\n    )]\n    )\n", True),
        ("    f(\n        [a,\n    )]\n)\n", False),
    ],
)
def test_a_duplicate_is_a_line_that_stands_right_beside_itself(text: str, again: bool) -> None:
    start, end = text.index("["), text.index("]") - 1
    assert says_again(text.replace("[", "").replace("]", ""), start, end) is again


def test_a_repository_is_typed_through_the_real_server(repository: Path) -> None:
    command = [sys.executable, "-m", "lsp_server", "bench", "typing", str(repository), "--keys", "30", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    [found] = json.loads(done.stdout)["repositories"]
    assert found["keys"] >= 30
    assert found["written"] >= 30
    shown_or_not = found["with_suggestion"] + sum(found["silences"].values())
    assert shown_or_not in (found["keys"], found["keys"] + 1)  # the first question of a session is asked before a key
    assert found["characters_taken"] >= 2 * found["taken"]
    assert set(found["latency_ms"]) == {"p50", "p95", "p99"}


def test_a_folder_without_history_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lsp_server", "bench", "typing", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
