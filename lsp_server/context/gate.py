"""Which files a model may see: not those that a person told tools to ignore, nor those whose names say that they hold secrets.

Knows paths and ignore files. Knows no texts (what looks like a secret inside one is the matter of `secrets`) and no editor.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pathspec import GitIgnoreSpec
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

GIT_IGNORE = ".gitignore"
IGNORE_FILES = (GIT_IGNORE, ".quickfillignore", ".aiignore", ".aiexclude", ".cursorignore")
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

    Ignore files count from the repository or the workspace folder that holds the file, whichever is higher, down to it, as git
    reads them: later lines and deeper files win, and nothing comes back inside a folder that is ignored. What git tracks although
    it is ignored counts as ignored. A link is also what it leads to.
    """
    given = os.path.abspath(path)
    for place in map(Path, dict.fromkeys((given, os.path.realpath(given)))):
        if is_named_secret(place):
            return f"the name of {place.name} says that it may hold secrets"
        if rule := _ignoring(place, roots, ignore_files):
            return f"{place.name} is ignored by {rule}"
    return None


def repository_of(path: Path) -> Path | None:
    """The folder of the git repository that holds a file."""
    return next((folder for folder in path.absolute().parents if os.path.lexists(folder / ".git")), None)


def _ignoring(path: Path, roots: Sequence[Path], ignore_files: Sequence[str]) -> str | None:
    """The ignore file that excludes the path."""
    folders = [str(folder) for folder in path.parents]  # from the file's own upwards: compared as texts, for that is fast
    repository = next((folder for folder in folders if os.path.lexists(os.path.join(folder, ".git"))), None)
    tops = [folders.index(root) for root in (repository, *map(str, roots)) if root in folders]
    way = folders[max(tops, default=0) :: -1]
    names = path.parts[-len(way) :]
    rules: list[tuple[int, str, _Rules]] = []
    decided: str | None = None
    for depth, folder in enumerate(way):
        if folder == repository and GIT_IGNORE in ignore_files:
            rules += _rules_in(depth, folder, (os.path.join(".git", "info", "exclude"),))
        rules += _rules_in(depth, folder, ignore_files)
        is_file = depth + 1 == len(way)
        for level, file, found in rules:
            name = "/".join(names[level : depth + 1]) + ("" if is_file else "/")
            excluded = found.exclude(name)
            if excluded is not None:
                decided = file if excluded else None
        if decided is not None:
            return decided
    return decided


def _rules_in(level: int, folder: str, ignore_files: Sequence[str]) -> Iterator[tuple[int, str, _Rules]]:
    for name in ignore_files:
        file = os.path.join(folder, name)
        try:
            state = os.stat(file)
        except OSError:
            continue
        if stat.S_ISREG(state.st_mode):
            yield level, file, _rules(file, state.st_mtime_ns, state.st_size)


@dataclass(frozen=True)
class _Rules:
    """The lines of one ignore file, the last one first."""

    patterns: tuple[GitIgnoreSpecPattern, ...]

    def exclude(self, name: str) -> bool | None:
        """Whether a file, or a folder (`a/b/`), is excluded; None if no line is about it.

        `pathspec` also finds patterns that match a folder further up; what those decide was decided there.
        """
        for pattern in self.patterns:
            if pattern.regex is not None and any(_is_all(found, name) for found in pattern.regex.finditer(name)):
                return bool(pattern.include)
        return None


def _is_all(found: re.Match[str], name: str) -> bool:
    """Whether a pattern was found to match all of a name. The group marks the slash behind a folder.

    What matches up to a slash without that mark is `a/**`: what lies in the folder, and not the folder.
    """
    if found.groupdict().get("ps_d"):
        return found.end() == len(name)
    return not name.endswith("/") or found.end() < len(name)


@lru_cache(maxsize=256)
def _rules(file: str, changed: int, size: int) -> _Rules:
    """The rules of a file as it was then: a line that is no pattern is left out, as git does.

    A file that cannot be read hides everything that it could be about.
    """
    try:
        lines = Path(file).read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = ["*"]
    patterns = []
    for line in reversed(lines):
        with suppress(ValueError):
            patterns.append(GitIgnoreSpecPattern(line))
    return _Rules(tuple(pattern for pattern in patterns if pattern.include is not None))


@lru_cache(maxsize=1024)
def is_named_secret(path: Path) -> bool:
    """Whether files of this name hold secrets, whatever a folder's ignore files say."""
    return _by_name().match_file(path.relative_to(path.anchor).as_posix())


@lru_cache(maxsize=1)
def _by_name() -> GitIgnoreSpec:
    return GitIgnoreSpec.from_lines(SECRET_NAMES)
