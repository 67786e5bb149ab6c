"""The manifest of a corpus folder: the SHA-256 of each file that is trained on, beside what the builder says of them.

Knows names and hashes of files. Knows neither packages nor text.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from model.training import durable

MANIFEST = "manifest.json"


class CorpusError(ValueError):
    """A corpus that is not the one its manifest describes; the message names the file."""


def write_manifest(corpus: Path, about: Mapping[str, object], files: Iterable[str]) -> None:
    """Writes the manifest of these files; `about` is what else it says."""
    sha256 = {name: _sha256(corpus / name) for name in files}
    durable.write(corpus / MANIFEST, (json.dumps({"sha256": sha256, **about}, indent=1) + "\n").encode())


def add_to_manifest(corpus: Path, name: str) -> None:
    """Adds a file that was made after the others, if it is not in the manifest yet. Raises CorpusError."""
    about = _read(corpus)
    files = about.pop("sha256")
    if isinstance(files, dict) and name not in files:
        write_manifest(corpus, about, [*files, name])


def checked_hashes(corpus: Path) -> dict[str, str]:
    """The SHA-256 of each file of the corpus, compared with what is on disk. Raises CorpusError."""
    files = _read(corpus)["sha256"]
    assert isinstance(files, dict)
    for name, expected in files.items():
        path = corpus / name
        if not path.is_file():
            raise CorpusError(f"the corpus is incomplete: {path} is missing")
        if _sha256(path) != expected:
            raise CorpusError(f"{path} is not the file that {corpus / MANIFEST} describes: restore it, or build the corpus anew")
    return files


def _read(corpus: Path) -> dict[str, object]:
    path = corpus / MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path} is not the manifest of a corpus: {error}") from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("sha256"), dict):
        raise CorpusError(f"{path} has no checksums, it was made by an older Quickfill: build the corpus in another folder")
    return manifest


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
