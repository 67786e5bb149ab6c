"""Next edits are measured on commits: a case is an edit whose old words stand elsewhere, too, and the commit is the judge."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lsp_server.benchmarks.next_edits import Case, cases, cases_elsewhere
from lsp_server.completion.next_edit import places_away

BEFORE = """def area(length, width):
    # of a rectangle
    return length * width


def volume(length, width, height):
    side = length
    return side * width * height


LENGTHS = []
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    def commit(text: str) -> None:
        (tmp_path / "shapes.py").write_text(text)
        for command in (["add", "."], ["-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "x"]):
            subprocess.run(["git", "-C", tmp_path, *command], check=True)

    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    commit(BEFORE)
    # The first function has another name for it now; of the second one only the body has.
    commit(BEFORE.replace("length", "depth", 2).replace("side = length", "side = depth").replace("LENGTHS = []", "LENGTHS = [1]"))
    return tmp_path


def test_what_the_commit_does_in_each_place_is_known(repository: Path) -> None:
    found: list[Case] = list(cases(repository))
    first = found[0]
    assert (first.change.old, first.change.new) == ("length", "depth")
    lines = {first.text.count("\n", 0, at) + 1: right for at, right in first.right.items()}
    assert lines == {3: True, 6: False, 7: True}
    assert [len(case.right) for case in found] == [3, 2, 1]


def test_the_command_compares_with_proposing_without_a_model(repository: Path) -> None:
    command = [sys.executable, "-m", "lsp_server", "eval", "next-edits", str(repository), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    nearest, agreed = json.loads(done.stdout)["ways"]
    assert nearest["n"] == agreed["n"] == 3
    assert nearest["proposed"][0] == 1
    assert 0 <= agreed["proposed"][0] <= 1
    assert agreed["ms"] > 0


def test_where_there_is_nothing_to_measure_one_line_says_so(tmp_path: Path) -> None:
    for folder, why in ((tmp_path / "nowhere", "nowhere"), (tmp_path, "not a git repository")):
        command = [sys.executable, "-m", "lsp_server", "eval", "next-edits", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert len(done.stderr.strip().splitlines()) == 1
        assert why in done.stderr


def test_in_other_files_too_the_commit_is_the_judge(repository: Path) -> None:
    """Three files hold the old name, and the commit renames it in two: one is changed first, one of the others is right."""

    def commit(texts: dict[str, str]) -> None:
        for name, text in texts.items():
            (repository / name).write_text(text)
        for command in (["add", "."], ["-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "y"]):
            subprocess.run(["git", "-C", repository, *command], check=True)

    use = "from shapes import volume\n\nprint(volume(1, 2, 3))\n"
    shapes = (repository / "shapes.py").read_text()
    commit({"used.py": use, "left.py": use})
    commit({"shapes.py": shapes.replace("volume", "content"), "used.py": use.replace("volume", "content")})
    newest = next(case for case in cases_elsewhere(repository) if case.path == "shapes.py")
    assert (newest.change.old, newest.change.new) == ("volume", "content")
    right = {file.name: [newest.is_right(file, at) for at in places_away(file.text, newest.change)] for file in newest.files}
    assert right == {"used.py": [True, True], "left.py": [False, False]}
    command = [sys.executable, "-m", "lsp_server", "eval", "next-edits", str(repository), "--elsewhere", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    first, agreed = json.loads(done.stdout)["ways"]
    assert first["proposed"][0] == 1
    assert 0 <= agreed["proposed"][0] <= 1
