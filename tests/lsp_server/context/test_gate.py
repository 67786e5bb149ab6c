"""Files that no model may see: told by ignore files, as git reads them, or by their names."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.context.gate import refusal


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.mark.parametrize(
    "name",
    [".env", ".env.local", "prod.env", "config/.env", "server.pem", "id_rsa", "id_ed25519.pub", ".netrc", ".npmrc", ".pypirc",
     "a.tfvars",
     "credentials", "credentials.json", "secrets.toml", "client_secret_12.json", ".aws/config", ".ssh/config", "x.kdbx"],
)  # fmt: skip
def test_names_that_say_secret_are_refused(tmp_path: Path, name: str) -> None:
    assert "may hold secrets" in (refusal(tmp_path / name) or "")


@pytest.mark.parametrize("name", ["env.py", "secrets.py", ".env.example", "keys.py", "pem.py", "a/credentials.py"])
def test_code_about_secrets_is_not_refused(tmp_path: Path, name: str) -> None:
    assert refusal(tmp_path / name) is None


@pytest.mark.parametrize("ignore", [".gitignore", ".aiignore", ".quickfillignore", ".cursorignore", ".aiexclude"])
def test_ignore_files_of_the_workspace_are_obeyed_and_named(tmp_path: Path, ignore: str) -> None:
    write(tmp_path, {ignore: "build/\n*.gen.py\n!keep.gen.py\n", "src/a.py": "", "src/a.gen.py": "", "src/keep.gen.py": ""})
    assert refusal(tmp_path / "src/a.py", [tmp_path]) is None
    assert refusal(tmp_path / "src/keep.gen.py", [tmp_path]) is None
    assert refusal(tmp_path / "src/a.gen.py", [tmp_path]) == f"a.gen.py is ignored by {tmp_path / ignore}"
    assert refusal(tmp_path / "build/deep/x.py", [tmp_path]) == f"x.py is ignored by {tmp_path / ignore}"


def test_a_changed_ignore_file_counts_at_once(tmp_path: Path) -> None:
    write(tmp_path, {".gitignore": "a.py\n"})
    assert refusal(tmp_path / "a.py", [tmp_path])
    write(tmp_path, {".gitignore": "b.py\n\n"})
    assert refusal(tmp_path / "a.py", [tmp_path]) is None


def test_other_names_of_ignore_files_can_be_set(tmp_path: Path) -> None:
    write(tmp_path, {".gitignore": "a.py\n", ".mine": "b.py\n"})
    assert refusal(tmp_path / "a.py", [tmp_path], [".mine"]) is None
    assert refusal(tmp_path / "b.py", [tmp_path], [".mine"])


def test_a_link_to_what_is_refused_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {".env": "x"})
    (tmp_path / "innocent.py").symlink_to(tmp_path / ".env")
    assert refusal(tmp_path / "innocent.py")


def test_ignore_files_above_the_workspace_do_not_count(tmp_path: Path) -> None:
    write(tmp_path, {".gitignore": "*.py\n", "project/a.py": ""})
    assert refusal(tmp_path / "project/a.py", [tmp_path / "project"]) is None
    (tmp_path / "project" / ".git").mkdir()
    assert refusal(tmp_path / "project/a.py") is None


def test_a_workspace_that_is_a_part_of_a_repository_obeys_all_of_it(tmp_path: Path) -> None:
    (tmp_path / ".git" / "info").mkdir(parents=True)
    write(tmp_path, {".gitignore": "a.py\n", ".git/info/exclude": "b.py\n", "project/a.py": "", "project/b.py": ""})
    assert refusal(tmp_path / "project/a.py", [tmp_path / "project"])
    assert refusal(tmp_path / "project/b.py", [tmp_path / "project"])
    assert refusal(tmp_path / "project/c.py", [tmp_path / "project"]) is None


def test_lines_that_are_no_patterns_and_bytes_that_are_no_text_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_bytes(b"!\n\xff\xfe\n[\n/\n**a.py\nb.py\n")
    assert refusal(tmp_path / "b.py", [tmp_path])
    assert refusal(tmp_path / "c.py", [tmp_path]) is None


PIECES = st.sampled_from(["a", "b", "ab", "c", "a.py", "*.py", "*", "**", "?b", "[ab]", "[!a]"])
PATTERNS = st.builds(
    lambda negated, anchored, pieces, folder: f"{negated}{anchored}{'/'.join(pieces)}{folder}",
    st.sampled_from(["", "", "!"]),
    st.sampled_from(["", "/"]),
    st.lists(PIECES, min_size=1, max_size=3),
    st.sampled_from(["", "/"]),
).filter(lambda pattern: not pattern.endswith("/**/"))  # which `pathspec` takes for the folder before it
FILES = st.tuples(st.lists(st.sampled_from(["a", "b", "ab"]), max_size=3), st.sampled_from(["c", "a.py", "b.py"]))


@settings(deadline=None, max_examples=100)
@given(st.dictionaries(st.sampled_from(["", "a", "a/b"]), st.lists(PATTERNS, max_size=4), min_size=1), FILES)
def test_it_decides_as_git_does(
    tmp_path_factory: pytest.TempPathFactory, patterns: dict[str, list[str]], place: tuple[list[str], str]
) -> None:
    root = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    for folder, lines in patterns.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / ".gitignore").write_text("\n".join(lines) + "\n")
    path = root.joinpath(*place[0], place[1])
    asked = subprocess.run(["git", "-C", str(root), "check-ignore", "-q", "--no-index", str(path.relative_to(root))])
    assert (refusal(path, [root], [".gitignore"]) is not None) == (asked.returncode == 0)
