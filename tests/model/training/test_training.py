"""Training learns, resumes where it was killed, and trains the reading that is served."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import random_network

from model.architecture.network import NetworkConfig
from model.checkpoints.store import BUNDLED, load_model
from model.infilling.reference import next_logits
from model.tokenization.tokenizer import Tokenizer
from model.training.documents import Document, read_documents
from model.training.examples import Windows, encode_example, pack_documents, sample_example
from model.training.export import export
from model.training.loop import DECAY_SHARE, Run, Shuffled, interleaved, train
from model.training.objective import attention_bias, losses, make_batch
from model.training.recipe import Recipe, follow

SOURCE = "\n\n".join(
    f"def area_{name}(width, height):\n    total = width * height\n    if total < {n}:\n        return None\n    return total\n"
    for n, name in enumerate(["box", "tile", "room", "page", "card", "field"])
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    documents = [Document("toy", f"{n}.py", SOURCE.replace("area", f"area{n}")) for n in range(60)]
    for name, part in (("train", documents[:45]), ("decay", documents[45:50]), ("heldout", documents[50:])):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(asdict(d)) + "\n" for d in part))
    (folder / "manifest.json").write_text(json.dumps({"packages": [{"license": "MIT", "heldout": False}]}))
    shutil.copy(BUNDLED / "tokenizer.json", folder / "tokenizer.json")
    return folder


def run_of(corpus: Path, folder: Path, tokens: int) -> Run:
    network = NetworkConfig(width=64, layers=2, heads=1)
    return Run(
        corpus,
        folder,
        tokens,
        network=network,
        tokens_per_step=2048,
        tokens_at_once=1024,
        compile=False,
        evaluate_every=5,
        save_every=1,
    )


def test_a_run_learns_and_its_export_loads(corpus: Path, tmp_path: Path) -> None:
    checkpoint = train(run_of(corpus, tmp_path, 2048 * 20))
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert log[-1]["next_token"] < log[0]["next_token"] - 0.5
    card = export(checkpoint, corpus, tmp_path / "model", "toy")
    assert load_model(tmp_path / "model").card == card
    assert card.trained_tokens == 2048 * 20


def test_a_run_goes_on_from_a_model(corpus: Path, tmp_path: Path) -> None:
    first = export(train(run_of(corpus, tmp_path / "first", 2048 * 12)), corpus, tmp_path / "model", "toy")
    second = replace(run_of(corpus, tmp_path / "second", 2048 * 5), start=tmp_path / "model")
    card = export(train(second), corpus, tmp_path / "longer", "toy")
    assert card.trained_tokens == first.trained_tokens + 2048 * 5
    ended, went_on = ((tmp_path / name / "log.jsonl").read_text().splitlines() for name in ("first", "second"))
    assert json.loads(went_on[0])["next_token"] < json.loads(ended[-1])["next_token"]


def test_a_model_with_another_vocabulary_is_not_gone_on_from(corpus: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(corpus, tmp_path / "corpus"))
    with (folder / "tokenizer.json").open("a") as file:
        file.write("\n")
    recipe = Recipe(folder, tmp_path / "run", tmp_path / "model", 2048, "cpu", None, 64, 2, "toy", start=BUNDLED)
    with pytest.raises(ValueError, match="not the vocabulary"):
        follow(recipe, [], corpus_only=True)


def test_a_worker_that_fails_ends_the_run(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(RuntimeError, match="worker failed"):
        train(replace(run_of(corpus, tmp_path, 2048), workers=2))


def test_a_killed_run_ends_as_an_uninterrupted_one(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = torch.load(train(run_of(corpus, tmp_path / "whole", 2048 * 8)), weights_only=True)
    killed = run_of(corpus, tmp_path / "killed", 2048 * 8)
    saves = []

    def kill(source: str, target: str) -> None:
        shutil.move(source, target)
        saves.append(target)
        if len(saves) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr("model.training.loop.os.replace", kill)
    with pytest.raises(KeyboardInterrupt):
        train(killed)
    monkeypatch.undo()
    resumed = torch.load(train(killed), weights_only=True)
    assert resumed["step"] == whole["step"] == 8
    for name, weight in whole["network"].items():
        torch.testing.assert_close(resumed["network"][name], weight, rtol=0, atol=1e-6)


def test_two_workers_make_the_model_that_one_makes(corpus: Path, tmp_path: Path) -> None:
    one = replace(run_of(corpus, tmp_path / "one", 2048 * 4), tokens_at_once=512)
    two = replace(one, folder=tmp_path / "two", workers=2)
    expected, found = (torch.load(train(run), weights_only=True) for run in (one, two))
    assert found["tokens"] == expected["tokens"]
    for name, weight in expected["network"].items():
        if "down" in name or "out" in name:  # these start at zero: what they hold is what was learned
            difference = (found["network"][name] - weight).norm() / weight.norm()
            assert 0 <= float(difference) < 0.1


def test_a_batch_in_so_many_of_the_decay_is_its_own_code_and_no_window_is_left_out(corpus: Path) -> None:
    windows = pack_documents(read_documents(corpus / "decay.jsonl"), corpus / "tokenizer.json", 1024, 250)
    general, own = (Shuffled(windows, np.arange(len(windows.tokens))) for _ in range(2))
    found = [interleaved(general, own, number) for number in range(200)]
    for kind, share in ((own, DECAY_SHARE), (general, 1 - DECAY_SHARE)):
        places = [place for chosen, place in found if chosen is kind]
        assert places == list(range(round(200 * share)))


def test_the_trained_reading_is_the_served_one_and_canvases_do_not_touch_it(corpus: Path, tokenizer: Tokenizer) -> None:
    windows = pack_documents(read_documents(corpus / "train.jsonl")[:5], corpus / "tokenizer.json", 512, 700)
    network = random_network(torch.float64)
    rows = np.arange(min(2, len(windows.tokens)))
    found = {}
    for canvases in (False, True):
        batch = make_batch(windows, rows, tokenizer, np.random.default_rng(0), canvases)
        found[canvases] = float(losses(network, batch, attention_bias(batch, torch.float64))[0].next_token)
    assert found[True] == pytest.approx(found[False], abs=1e-10)
    first = windows.tokens[0][windows.segment[0] == 1].astype(int).tolist()
    one = Windows(*(array[:1].copy() for array in (windows.tokens, windows.segment, windows.hole)))
    one.segment[0][one.segment[0] != 1] = 0
    batch = make_batch(one, np.arange(1), tokenizer, np.random.default_rng(0), False)
    trained = float(losses(network, batch, attention_bias(batch, torch.float64))[0].next_token)
    each = []
    for position in range(len(first) - 1):
        if first[position + 1] < tokenizer.ordinary or first[position + 1] == tokenizer.eos:
            scores = torch.log_softmax(next_logits(network, first[: position + 1]), -1)
            each.append(-float(scores[first[position + 1]]))
    assert trained == pytest.approx(np.mean(each), abs=1e-4)


def test_no_slot_is_given_its_own_answer(corpus: Path, tokenizer: Tokenizer) -> None:
    windows = pack_documents(read_documents(corpus / "train.jsonl")[:20], corpus / "tokenizer.json", 512, 700)
    batch = make_batch(windows, np.arange(len(windows.tokens)), tokenizer, np.random.default_rng(1), True)
    asked = batch.slot_targets >= 0
    assert int(asked.sum()) > 100
    assert bool((batch.slots[asked] == tokenizer.mask).all())
    visible = torch.gather(batch.positions, 1, batch.anchors.clamp(min=0))
    assert bool((visible < batch.slot_positions)[asked].all())


def test_examples_are_the_document_with_holes(tokenizer: Tokenizer) -> None:
    rng = np.random.default_rng(0)
    document = Document("toy", "a.py", SOURCE)
    several = 0
    for _ in range(200):
        example = sample_example(document, rng)
        if example is None:
            continue
        middles = [*example.middles, ""]
        assert "".join(part + middle for part, middle in zip(example.parts, middles, strict=True)) == SOURCE
        several += len(example.middles) > 1
        encoded = encode_example(tokenizer, replace(example), 512)
        assert encoded is None or len(encoded[0]) <= 512
    assert several > 0
