"""The files of a corpus as they lie on disk: one JSON object a line. Knows nothing of where they came from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Document:
    package: str
    path: str
    text: str


def read_documents(path: Path) -> list[Document]:
    """The documents of a `.jsonl` file that the corpus builder wrote. Raises ValueError naming a line that is none."""
    documents = []
    with path.open() as file:
        for number, line in enumerate(file, 1):
            try:
                documents.append(Document(**json.loads(line)))
            except (ValueError, TypeError) as error:
                raise ValueError(f"{path}:{number} is not a document of a corpus: {error}") from error
    return documents
