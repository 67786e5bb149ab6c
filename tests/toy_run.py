"""A corpus of sixty small files and a run on it that ends in seconds, for tests and for the processes they start."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

from model.architecture.network import NetworkConfig
from model.checkpoints.store import BUNDLED
from model.training.documents import Document
from model.training.loop import Run
from model.training.manifest import write_manifest

SOURCE = "\n\n".join(
    f"def area_{name}(width, height):\n    total = width * height\n    if total < {n}:\n        return None\n    return total\n"
    for n, name in enumerate(["box", "tile", "room", "page", "card", "field"])
)


def write_toy_corpus(folder: Path, decay: str = SOURCE) -> Path:
    texts = {"train": [SOURCE] * 45, "decay": [decay] * 5, "heldout": [SOURCE] * 10}
    number = 0
    for split, sources in texts.items():
        with (folder / f"{split}.jsonl").open("w") as file:
            for source in sources:
                document = Document("toy", f"{number}.py", source.replace("area", f"area{number}"))
                file.write(json.dumps(asdict(document)) + "\n")
                number += 1
    shutil.copy(BUNDLED / "tokenizer.json", folder / "tokenizer.json")
    about = {"packages": [{"license": "MIT", "heldout": False}]}
    write_manifest(folder, about, [*(f"{split}.jsonl" for split in texts), "tokenizer.json"])
    return folder


def run_of(corpus: Path, folder: Path, steps: int) -> Run:
    return Run(
        corpus,
        folder,
        2048 * steps,
        network=NetworkConfig(width=64, layers=2, heads=1),
        tokens_per_step=2048,
        tokens_at_once=1024,
        compile=False,
        evaluate_every=5,
        save_every=1,
    )
