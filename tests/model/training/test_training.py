"""Training learns, resumes where it was killed, and trains the reading that is served."""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import random_network
from toy_run import SOURCE, run_of, write_toy_corpus

from model.architecture.network import Network, NetworkConfig
from model.checkpoints.store import BUNDLED, load_model
from model.infilling.alike import names_in
from model.infilling.copies import FEATURES, CopyGate, Followers
from model.infilling.reference import next_logits
from model.tokenization.tokenizer import Tokenizer
from model.training import copying
from model.training.checkpoint import load
from model.training.copying import fit_project_gate
from model.training.documents import Document, read_documents
from model.training.examples import Sibling, Windows, encode_example, pack_documents, sample_example
from model.training.export import export
from model.training.growth import deepened
from model.training.loop import AVERAGE_POWER, learning_rate, train
from model.training.muon import Muon
from model.training.objective import losses, make_batch, sight
from model.training.packed import DECAY_SHARE, Shuffled, interleaved
from model.training.recipe import Recipe, follow


def test_a_run_learns_and_its_export_loads(corpus: Path, tmp_path: Path) -> None:
    checkpoint = train(run_of(corpus, tmp_path, 20))
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert log[-1]["next_token"] < log[0]["next_token"] - 0.5
    card = export(checkpoint, corpus, tmp_path / "model", "toy")
    assert load_model(tmp_path / "model").card == card
    assert card.trained_tokens == 2048 * 20


def test_without_a_compiler_a_run_says_so_and_learns_all_the_same(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    train(replace(run_of(corpus, tmp_path, 1), compile=True))
    assert "no C++ compiler" in capsys.readouterr().out
    assert load(tmp_path / "checkpoint.pt", torch.device("cpu"))["tokens"] == 2048


def test_a_run_goes_on_from_a_model(corpus: Path, tmp_path: Path) -> None:
    first = export(train(run_of(corpus, tmp_path / "first", 12)), corpus, tmp_path / "model", "toy")
    second = replace(run_of(corpus, tmp_path / "second", 5), start=tmp_path / "model")
    card = export(train(second), corpus, tmp_path / "longer", "toy")
    assert card.trained_tokens == first.trained_tokens + 2048 * 5
    ended, went_on = ((tmp_path / name / "log.jsonl").read_text().splitlines() for name in ("first", "second"))
    assert json.loads(went_on[0])["next_token"] < json.loads(ended[-1])["next_token"]


def test_a_deeper_network_begins_as_the_model_that_it_goes_on_from_and_learns_in_its_new_layers(
    corpus: Path, tmp_path: Path
) -> None:
    small = run_of(corpus, tmp_path / "small", 2)
    export(train(small), corpus, tmp_path / "model", "toy")
    model = load_model(tmp_path / "model").network
    deep = replace(small, folder=tmp_path / "deep", start=tmp_path / "model", network=replace(small.network, layers=5))
    grown = Network(deep.network)
    grown.load_state_dict(deepened(model.state_dict(), 2, 5))
    x, positions, bias = torch.randn(1, 9, 64), torch.arange(9)[None], torch.full((9, 9), float("-inf")).triu(1)
    assert torch.equal(grown(x, positions, bias), model(x, positions, bias))
    after = load(train(deep))["network"]
    assert all(bool(after[f"blocks.{number}.down.weight"].any()) for number in range(5))
    export(deep.folder / "checkpoint.pt", corpus, tmp_path / "half", "toy", tmp_path / "model", 0.5)
    export(deep.folder / "checkpoint.pt", corpus, tmp_path / "whole", "toy", tmp_path / "model", 1.0)
    half, whole = (load_model(tmp_path / name).network for name in ("half", "whole"))
    assert torch.equal(whole(x, positions, bias), model.bfloat16().float()(x, positions, bias))
    assert not torch.equal(half(x, positions, bias), whole(x, positions, bias))


def test_a_model_gets_no_fewer_layers(corpus: Path, tmp_path: Path) -> None:
    recipe = Recipe(corpus, tmp_path / "run", tmp_path / "model", 2048, "cpu", None, 64, 2, "toy", start=BUNDLED)
    with pytest.raises(ValueError, match="it can get more, not fewer"):
        follow(recipe, [], corpus_only=True)


def test_what_is_exported_is_the_average_over_the_run_most_of_it_over_its_end(corpus: Path, tmp_path: Path) -> None:
    steps = []
    for step in range(1, 13):  # one after another: each goes on where the last one stopped
        steps.append(load(train(run_of(corpus, tmp_path / "run", step)))["network"]["embedding.weight"])
    export(tmp_path / "run" / "checkpoint.pt", corpus, tmp_path / "model", "toy")
    shares = np.array(
        [math.prod(range(step, step + AVERAGE_POWER)) for step in range(1, 13)], float
    )  # about step ** AVERAGE_POWER
    expected = sum(weight * share for weight, share in zip(steps, shares / shares.sum(), strict=True))
    average = load(tmp_path / "run" / "checkpoint.pt")["average"]["embedding.weight"]
    torch.testing.assert_close(average, expected.float(), rtol=0, atol=1e-6)
    assert (steps[-1] - average).abs().max() > 5e-5
    exported = load_model(tmp_path / "model", torch.bfloat16).network.embedding.weight
    assert torch.equal(exported, average.bfloat16())


def test_the_end_of_a_run_is_averaged_with_what_it_went_on_from(corpus: Path, tmp_path: Path) -> None:
    run = run_of(corpus, tmp_path / "run", 1)
    other = replace(run, folder=tmp_path / "other", seed=1)  # farther away than a run of a test gets
    folders = [tmp_path / name for name in ("end", "start", "average")]
    export(train(run), corpus, folders[0], "toy")
    export(train(other), corpus, folders[1], "toy")
    export(run.folder / "checkpoint.pt", corpus, folders[2], "toy", folders[1], 0.25)
    end, start, average = (dict(load_model(folder, torch.float32).network.named_parameters()) for folder in folders)
    for name, weight in average.items():
        torch.testing.assert_close(weight, 0.75 * end[name] + 0.25 * start[name], rtol=0.01, atol=0.002)
    assert float((end["embedding.weight"] - start["embedding.weight"]).abs().mean()) > 0.01


def test_a_decay_alone_meets_long_windows_with_canvases_at_a_falling_rate(corpus: Path, tmp_path: Path) -> None:
    export(train(run_of(corpus, tmp_path / "first", 12)), corpus, tmp_path / "model", "toy")
    before = load_model(tmp_path / "model").network.canvas
    usual = replace(run_of(corpus, tmp_path / "usual", 1), start=tmp_path / "model")
    short = replace(usual, folder=tmp_path / "short", decay_only=True)
    slow = replace(short, folder=tmp_path / "slow", rate=0.5)
    moved = [float((load(train(run))["network"]["canvas"] - before).abs().max()) for run in (usual, short, slow)]
    assert moved[0] == 0  # a plateau begins without canvases
    assert moved[1] > 0
    assert moved[2] == pytest.approx(moved[1] / 2, rel=0.01)
    assert not (tmp_path / "short" / "plateau.pt").exists()
    rates = [learning_rate(done / 100, 1000, decay_from=0.0) for done in (0, 25, 50, 100)]
    assert rates == [1.0, 0.75, 0.5, 0.0]


def test_a_schedule_that_is_shortened_on_resuming_keeps_what_its_decay_starts_from(corpus: Path, tmp_path: Path) -> None:
    train(run_of(corpus, tmp_path / "long", 7))
    (tmp_path / "short").mkdir()
    shutil.copy(tmp_path / "long" / "plateau.pt", tmp_path / "short" / "checkpoint.pt")  # stopped there
    train(run_of(corpus, tmp_path / "short", 6))  # of which five are done, more than its plateau has
    long, short = (load(tmp_path / name / "plateau.pt") for name in ("long", "short"))
    assert (long["step"], short["step"]) == (5, 5)
    assert torch.equal(long["network"]["embedding.weight"], short["network"]["embedding.weight"])
    train(run_of(corpus, tmp_path / "short", 7))  # goes on within its decay
    assert load(tmp_path / "short" / "plateau.pt")["step"] == 5


def test_muon_steps_as_the_library_s_does_in_any_dtype() -> None:
    torch.manual_seed(0)
    start = [torch.randn(shape) for shape in ((48, 16), (16, 64), (16, 64))]
    gradients = [[torch.randn_like(matrix) for matrix in start] for _ in range(3)]

    def stepped(make: Callable[[list[torch.nn.Parameter]], torch.optim.Optimizer]) -> list[torch.Tensor]:
        matrices = [torch.nn.Parameter(matrix.clone()) for matrix in start]
        optimizer = make(matrices)
        for own in gradients:
            for matrix, gradient in zip(matrices, own, strict=True):
                matrix.grad = gradient.clone()
            optimizer.step()
        return [matrix.detach() - before for matrix, before in zip(matrices, start, strict=True)]

    expected = stepped(lambda matrices: torch.optim.Muon(matrices, lr=0.02, momentum=0.95, weight_decay=0.01))
    for dtype in (torch.float32, torch.bfloat16):
        found = stepped(lambda matrices, dtype=dtype: Muon(matrices, 0.02, 0.95, 0.01, dtype))  # type: ignore[misc]
        for mine, theirs in zip(found, expected, strict=True):
            assert (mine - theirs).norm() < 0.03 * theirs.norm()  # theirs is rounded to bfloat16


def test_a_model_with_another_vocabulary_is_not_gone_on_from(corpus: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(corpus, tmp_path / "corpus"))
    with (folder / "tokenizer.json").open("a") as file:
        file.write("\n")
    recipe = Recipe(folder, tmp_path / "run", tmp_path / "model", 2048, "cpu", None, 64, 2, "toy", start=BUNDLED)
    with pytest.raises(ValueError, match="not the vocabulary"):
        follow(recipe, [], corpus_only=True)


def test_a_worker_that_cannot_go_on_ends_the_run_and_says_why(corpus: Path, tmp_path: Path) -> None:
    train(run_of(corpus, tmp_path, 1))
    other = replace(run_of(corpus, tmp_path, 2), network=NetworkConfig(width=128, layers=1, heads=2), workers=2)
    with pytest.raises(ValueError, match="another network"):
        train(other)


def test_a_worker_that_breaks_ends_the_run(corpus: Path, tmp_path: Path) -> None:
    impossible = NetworkConfig(width=64, layers=1, heads=3)
    with pytest.raises(ChildProcessError, match="a worker ended"):
        train(replace(run_of(corpus, tmp_path, 1), network=impossible, workers=2))


def test_two_workers_make_the_model_that_one_makes(corpus: Path, tmp_path: Path) -> None:
    one = replace(run_of(corpus, tmp_path / "one", 4), tokens_at_once=512)
    two = replace(one, folder=tmp_path / "two", workers=2)
    expected, found = (load(train(run)) for run in (one, two))
    assert found["tokens"] == expected["tokens"]
    for name, weight in expected["network"].items():
        if "down" in name or "out" in name:  # these start at zero: what they hold is what was learned
            difference = (found["network"][name] - weight).norm() / weight.norm()
            assert 0 <= float(difference) < 0.1


def test_a_batch_in_so_many_of_the_decay_is_its_own_code_and_no_window_is_left_out(corpus: Path) -> None:
    windows = pack_documents(read_documents(corpus / "decay.jsonl"), corpus / "tokenizer.json", 1024, 10**9, 250)
    general, own = (Shuffled(windows, np.arange(len(windows.tokens))) for _ in range(2))
    found = [interleaved(general, own, number) for number in range(200)]
    for kind, share in ((own, DECAY_SHARE), (general, 1 - DECAY_SHARE)):
        places = [place for chosen, place in found if chosen is kind]
        assert places == list(range(round(200 * share)))


def test_the_decay_and_nothing_before_it_learns_from_the_code_of_the_decay(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    other = write_toy_corpus(tmp_path / "corpus", SOURCE.replace("total", "surface"))
    folders = tmp_path / "one", tmp_path / "two"
    for folder, where in zip(folders, (corpus, other), strict=True):
        train(run_of(where, folder, 8))
    for name, equal in (("plateau.pt", True), ("checkpoint.pt", False)):
        one, two = (load(folder / name)["network"]["embedding.weight"] for folder in folders)
        assert torch.equal(one, two) == equal


def test_an_autoregressive_twin_learns_from_next_tokens_alone_and_says_what_it_is(corpus: Path, tmp_path: Path) -> None:
    twin = replace(run_of(corpus, tmp_path / "twin", 8), canvases=False)
    card = export(train(twin), corpus, tmp_path / "model", "toy")
    assert card.description.startswith("Autoregressive twin")
    assert "for comparison" in card.description
    assert not load_model(tmp_path / "model").network.canvas.any()
    log = json.loads((tmp_path / "twin" / "log.jsonl").read_text().splitlines()[-1])
    assert set(log) == {"step", "tokens", "train", "next_token", "hole", "exact"}
    with pytest.raises(ValueError, match="other losses"):
        train(run_of(corpus, tmp_path / "twin", 9))


def test_the_trained_reading_is_the_served_one_and_canvases_do_not_touch_it(corpus: Path, tokenizer: Tokenizer) -> None:
    windows = pack_documents(read_documents(corpus / "train.jsonl")[:5], corpus / "tokenizer.json", 512, 10**9, 700)
    network = random_network(torch.float64)
    rows = np.arange(min(2, len(windows.tokens)))
    found = {}
    for canvases in (False, True):
        batch = make_batch(windows, rows, tokenizer, np.random.default_rng(0), canvases)
        found[canvases] = float(losses(network, batch, sight(network, batch, torch.float64))[0].next_token)
    assert found[True] == pytest.approx(found[False], abs=1e-5)
    first = windows.tokens[0][windows.segment[0] == 1].astype(int).tolist()
    one = Windows(*(array[:1].copy() for array in (windows.tokens, windows.segment, windows.hole)))
    one.segment[0][one.segment[0] != 1] = 0
    batch = make_batch(one, np.arange(1), tokenizer, np.random.default_rng(0), False)
    trained = float(losses(network, batch, sight(network, batch, torch.float64))[0].next_token)
    each = []
    for position in range(len(first) - 1):
        if first[position + 1] < tokenizer.ordinary or first[position + 1] == tokenizer.eos:
            scores = torch.log_softmax(next_logits(network, first[: position + 1]), -1)
            each.append(-float(scores[first[position + 1]]))
    assert trained == pytest.approx(np.mean(each), abs=1e-4)


def test_a_compiled_step_has_the_gradients_of_one_that_is_not(corpus: Path, tokenizer: Tokenizer) -> None:
    """Compiled, attention has a way back of its own on a CPU."""
    windows = pack_documents(read_documents(corpus / "train.jsonl")[:5], corpus / "tokenizer.json", 512, 10**9, 700)
    network = random_network(torch.float32).requires_grad_(True)
    batch = make_batch(windows, np.arange(min(2, len(windows.tokens))), tokenizer, np.random.default_rng(0), True)
    found = []
    for step in (losses, torch.compile(losses, backend="aot_eager", dynamic=False)):
        network.zero_grad(set_to_none=True)
        step(network, batch, sight(network, batch, torch.float32))[0].total.backward()
        found.append([weight.grad for weight in network.parameters() if weight.grad is not None])
    assert len(found[0]) == len(found[1]) == len(list(network.parameters()))
    for expected, own in zip(*found, strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-3, atol=1e-5 * float(expected.abs().max()))


def test_no_slot_is_given_its_own_answer(corpus: Path, tokenizer: Tokenizer) -> None:
    windows = pack_documents(read_documents(corpus / "train.jsonl")[:20], corpus / "tokenizer.json", 512, 10**9, 700)
    batch = make_batch(windows, np.arange(len(windows.tokens)), tokenizer, np.random.default_rng(1), True)
    asked = batch.slot_targets >= 0
    assert int(asked.sum()) > 100
    assert bool((batch.slots[asked] == tokenizer.mask).all())
    visible = torch.gather(batch.positions, 1, batch.anchors.clamp(min=0))
    assert bool((visible < batch.slot_positions)[asked].all())


def test_an_example_shows_the_piece_of_its_package_that_a_server_would_show() -> None:
    rng = np.random.default_rng(0)
    here = Document("toy", "toy/a.py", SOURCE)
    like = Document("toy", "toy/b.py", "import os\n\n\n" + SOURCE)
    unlike = Document("toy", "toy/c.py", "\n".join(f"constant_{number} = {number}" for number in range(60)))
    siblings = [Sibling(one, names_in(one.text)) for one in (unlike, here, like)]
    found = [sample_example(here, rng, siblings) for _ in range(50)]
    shown = [example.other_files for example in found if example]
    assert len(shown) > 10
    for others in shown:
        assert others == () or (others[0].startswith("# toy/b.py\n") and len(others) == 1)
    assert sum(map(bool, shown)) > len(shown) / 2


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


def test_where_a_package_s_files_repeat_each_other_copying_from_them_is_trusted(
    tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "CASES", 12)
    network, gate = random_network(torch.float32), CopyGate((-3.0, *([0.0] * (FEATURES - 1))))
    alike = [Document("garden", f"{number}.py", f"# {number}\n{SOURCE}") for number in range(copying.LEAST_FILES)]
    found = fit_project_gate(network, tokenizer, alike, gate)
    assert found is not None
    scores = torch.full((tokenizer.size,), -9.0)
    likeliest = found.likeliest(scores, Followers(8, Counter({7: 3})))
    assert likeliest[1] == 7
    assert likeliest[0] > -0.5
    assert fit_project_gate(network, tokenizer, alike[1:], gate) is None  # too few files to be a project
