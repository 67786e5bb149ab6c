"""Which files a model may see: not those that a person told tools to ignore, nor those whose names say that they hold secrets.

Knows paths and ignore files. Knows no texts (what looks like a secret inside one is the matter of `secrets`) and no editor.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from pathspec import GitIgnoreSpec

IGNORE_FILES = (".gitignore", ".quickfillignore", ".aiignore", ".aiexclude", ".cursorignore")
SECRET_NAMES = (
    ".env", ".env.*", "*.env", ".envrc", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.gpg", "*.ppk",
    "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", ".ssh/", ".gnupg/", ".aws/", ".netrc", "_netrc", ".pgpass", ".my.cnf",
    ".pypirc", ".npmrc", ".htpasswd", ".git-credentials", ".dockercfg", ".docker/config.json", "kubeconfig", ".kube/config",
    "credentials", "credentials.*", "client_secret*.json", "service-account*.json", "secrets.*", "secret.*",
    "*.tfvars", "*.tfstate", "*.tfstate.*",
    "!secrets.py", "!secret.py", "!credentials.py", "!*.example", "!*.sample", "!*.template",
)  # fmt: skip


def refusal(path: Path, roots: Sequence[Path] = (), ignore_files: Sequence[str] = IGNORE_FILES) -> str | None:
    """Why no model may see the file, in a few words; None if it may.

    Ignore files count from the workspace folder that holds the file (without one: from the repository) down to it, as git
    reads them: later lines and deeper files win, and nothing comes back inside a folder that is ignored. A link is also what it
    leads to.
    """
    given = os.path.abspath(path)
    for place in map(Path, dict.fromkeys((given, os.path.realpath(given)))):
        if _is_named_secret(place):
            return f"the name of {place.name} says that it may hold secrets"
        if rule := _ignoring(place, roots, ignore_files):
            return f"{place.name} is ignored by {rule}"
    return None


def _ignoring(path: Path, roots: Sequence[Path], ignore_files: Sequence[str]) -> Path | None:
    """The ignore file that excludes the path."""
    top = _top(path, roots)
    steps = [*reversed([folder for folder in path.parents if folder.is_relative_to(top)]), path]
    rules: list[tuple[Path, GitIgnoreSpec]] = []
    for folder, step in pairwise(steps):
        rules += _rules_in(folder, ignore_files)
        decided: Path | None = None
        for file, spec in rules:
            name = step.relative_to(file.parent).as_posix() + ("" if step == path else "/")
            found = spec.check_file(name).include
            if found is not None:
                decided = file if found else None
        if decided is not None:
            return decided
    return None


def _top(path: Path, roots: Sequence[Path]) -> Path:
    holding = [root for root in roots if path.is_relative_to(root)]
    if holding:
        return min(holding, key=lambda root: len(root.parts))
    return next((folder for folder in path.parents if (folder / ".git").exists()), path.parent)


def _rules_in(folder: Path, ignore_files: Sequence[str]) -> Iterator[tuple[Path, GitIgnoreSpec]]:
    for name in ignore_files:
        file = folder / name
        try:
            state = file.stat()
        except OSError:
            continue
        yield file, _rules(file, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=256)
def _rules(file: Path, changed: int, size: int) -> GitIgnoreSpec:
    """The rules of a file as it was then. One that cannot be read hides everything that it could be about."""
    try:
        lines = file.read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = ["*"]
    return _spec(lines)


def _spec(lines: Sequence[str]) -> GitIgnoreSpec:
    """A line that is no pattern is left out, as git does."""
    good = []
    for line in lines:
        try:
            GitIgnoreSpec.from_lines([line])
        except ValueError:
            continue
        good.append(line)
    return GitIgnoreSpec.from_lines(good)


@lru_cache(maxsize=1024)
def _is_named_secret(path: Path) -> bool:
    return _by_name().match_file(path.relative_to(path.anchor).as_posix())


@lru_cache(maxsize=1)
def _by_name() -> GitIgnoreSpec:
    return GitIgnoreSpec.from_lines(SECRET_NAMES)
