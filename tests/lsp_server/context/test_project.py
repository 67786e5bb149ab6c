"""Which files of a workspace the model may be shown pieces of, and what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from lsp_server.context.project import MOST_BYTES, Project


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def project_of(folder: Path) -> Project:
    project = Project([folder], ["python"])
    project.scan()
    return project


def names(project: Project) -> set[str]:
    return {file.name for file in project.files()}


def test_code_is_read_and_what_is_ignored_secret_installed_or_hidden_is_not(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "a.py": "first = 1\n",
            "package/b.py": "second = 2\n",
            "notes.txt": "text",
            "Makefile": "all:\n",
            ".gitignore": "built/\nlocal.py\n",
            "built/c.py": "x = 1\n",
            "local.py": "x = 1\n",
            ".env.py": "x = 1\n",
            ".hidden/d.py": "x = 1\n",
            "node_modules/e.py": "x = 1\n",
            "environment/pyvenv.cfg": "",
            "environment/lib/f.py": "x = 1\n",
            "empty.py": "",
            "large.py": "x = 1\n" * MOST_BYTES,
        },
    )
    project = project_of(tmp_path)
    assert names(project) == {"a.py", "package/b.py"}
    assert {file.name: file.text for file in project.files()}["package/b.py"] == "second = 2\n"


def test_folders_that_link_to_each_other_do_no_harm(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "x = 1\n"})
    (tmp_path / "again").symlink_to(tmp_path)
    (tmp_path / "nowhere.py").symlink_to(tmp_path / "missing.py")
    assert names(project_of(tmp_path)) == {"a.py"}


def test_files_that_are_made_changed_or_deleted_are_followed(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "old = 1\n", ".gitignore": "b.py\n"})
    project = project_of(tmp_path)
    write(tmp_path, {"a.py": "new = 1\n", "b.py": "ignored = 1\n", "c.py": "made = 1\n"})
    for name in ("a.py", "b.py", "c.py", "gone.py"):
        project.changed(tmp_path / name)
    assert {file.text for file in project.files()} == {"new = 1\n", "made = 1\n"}
    (tmp_path / "c.py").unlink()
    project.changed(tmp_path / "c.py")
    assert names(project) == {"a.py"}


def test_a_file_nobody_told_of_is_read_anew_before_it_is_used(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "old = 1\n", "b.py": "kept = 1\n", "c.py": "gone = 1\n"})
    project = project_of(tmp_path)
    old = {file.name: file for file in project.files()}
    write(tmp_path, {"a.py": "newer = 1\n", ".gitignore": "b.py\n"})
    (tmp_path / "c.py").unlink()
    current = project.current(old["a.py"])
    assert current is not None
    assert current.text == "newer = 1\n"
    assert project.current(old["b.py"]) is None  # ignored by now
    assert project.current(old["c.py"]) is None


def test_a_document_in_the_editor_says_what_it_says_there(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "saved = 1\n"})
    files = project_of(tmp_path).files({tmp_path / "a.py": "unsaved = 1\n", tmp_path / "new.py": "never_saved = 1\n"})
    assert {file.name: file.text for file in files} == {"a.py": "unsaved = 1\n", "new.py": "never_saved = 1\n"}


def test_a_project_that_nobody_asks_any_more_stops_reading(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "x = 1\n"})
    project = Project([tmp_path], ["python"])
    project.close()
    project.scan()
    assert project.files() == []


def test_a_large_workspace_is_read_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {f"{number}.py": f"x = {number}\n" for number in range(9)})
    monkeypatch.setattr("lsp_server.context.project.MOST_FILES", 4)
    assert len(names(project_of(tmp_path))) == 4
    monkeypatch.setattr("lsp_server.context.project.MOST_ENTRIES", 5)
    assert names(project_of(tmp_path)) == set()
