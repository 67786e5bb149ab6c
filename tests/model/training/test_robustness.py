"""What a run survives: being killed at the worst moment, a full disk, damaged files; and what it refuses to train on."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from toy_run import SOURCE, run_of, write_toy_corpus

from model.training.checkpoint import CheckpointDamaged, State, load
from model.training.loop import train
from model.training.manifest import CorpusError, add_to_manifest, checked_hashes
from model.training.packed import prepare

ROOT = Path(__file__).parents[3]
STEPS = 8

# Trains, and kills itself as kill -9 would, right before the n-th time that it makes a change on disk last.
DYING = """
import os, signal, sys
from pathlib import Path
from model.training.loop import train
from toy_run import run_of

left = int(sys.argv[3])

def dying(call):
    def before(*arguments):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments)
    return before

os.fsync, os.replace = dying(os.fsync), dying(os.replace)
train(run_of(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[4])))
"""


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}", "TORCHDYNAMO_DISABLE": "1"}


@pytest.fixture(scope="module")
def whole(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    train(run_of(corpus, folder, STEPS))
    return folder


def assert_same(found: State, expected: State) -> None:
    assert found["step"] == expected["step"]
    for name, weight in expected["network"].items():
        torch.testing.assert_close(found["network"][name], weight, rtol=0, atol=1e-6)
        torch.testing.assert_close(found["average"][name], expected["average"][name], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("moment", "falls_back"),
    [
        pytest.param(8, False, id="while a checkpoint is being written"),
        pytest.param(10, True, id="between moving the old one away and the new one there"),
        pytest.param(25, False, id="while the plateau is being written"),
    ],
)
def test_a_killed_run_ends_as_an_uninterrupted_one(
    corpus: Path, whole: Path, tmp_path: Path, moment: int, falls_back: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(corpus, 10_000)
    command = [sys.executable, "-c", DYING, str(corpus), str(tmp_path), str(moment), str(STEPS)]
    assert subprocess.run(command, env=environment(), timeout=300, check=False).returncode == -signal.SIGKILL
    assert not (tmp_path / "plateau.pt").exists()
    assert_same(load(train(run_of(corpus, tmp_path, STEPS))), load(whole / "checkpoint.pt"))
    assert_same(load(tmp_path / "plateau.pt"), load(whole / "plateau.pt"))
    assert ("goes on from the checkpoint before it, of step 2" in capsys.readouterr().err) == falls_back


def test_a_run_that_is_told_to_stop_keeps_what_it_learned_and_makes_no_model(corpus: Path, tmp_path: Path) -> None:
    run, folder = tmp_path / "run", shutil.copytree(corpus, tmp_path / "corpus")
    command = [sys.executable, "-u", "-m", "lsp_server", "train", "--corpus", folder, "--run", run, "--workers", "2"]
    command += ["--width", "64", "--layers", "1", "--tokens", "400000"]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        started = next(line for line in process.stdout if line.startswith("step 20 "))
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
    assert process.returncode == 0, started + rest
    tokens = load(run / "checkpoint.pt")["tokens"]
    assert 20 * 8192 <= tokens < 400_000
    assert f"Stopped after {tokens:,} of 400,000 tokens" in rest
    assert not (run / "model").exists()


def truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0x40]) + content[middle + 1 :]


@pytest.mark.parametrize("damage", [truncated, flipped, lambda content: b"", lambda content: b"not a checkpoint"])
def test_a_run_goes_on_from_the_checkpoint_before_a_damaged_one_and_says_so(
    corpus: Path, whole: Path, tmp_path: Path, damage: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(damage)
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    last = tmp_path / "checkpoint.pt"
    last.write_bytes(damage(last.read_bytes()))
    assert_same(load(train(run_of(corpus, tmp_path, STEPS))), load(whole / "checkpoint.pt"))
    said = capsys.readouterr().err.splitlines()
    assert said == [f"quickfill: {last} is damaged; the run goes on from the checkpoint before it, of step {STEPS}"]


def test_a_checkpoint_from_before_there_were_twins_and_averages_is_whole(corpus: Path, whole: Path, tmp_path: Path) -> None:
    state = load(whole / "checkpoint.pt")
    del state["canvases"], state["average"]
    torch.save(state, tmp_path / "checkpoint.pt")
    assert load(tmp_path / "checkpoint.pt")["step"] == state["step"]
    went_on = load(train(run_of(corpus, tmp_path, STEPS + 1)))
    assert went_on["step"] == STEPS + 1
    between = (went_on["average"]["embedding.weight"] - state["network"]["embedding.weight"]).norm()
    assert 0 < between < (went_on["network"]["embedding.weight"] - state["network"]["embedding.weight"]).norm()


def test_without_a_whole_checkpoint_a_run_does_not_begin_anew_unasked(corpus: Path, whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    for name in ("checkpoint.pt", "checkpoint.previous.pt"):
        (tmp_path / name).write_bytes(truncated((tmp_path / name).read_bytes()))
    with pytest.raises(CheckpointDamaged, match="delete both"):
        train(run_of(corpus, tmp_path, STEPS))


def test_a_full_disk_is_one_line_and_the_last_checkpoint_stays(corpus: Path, whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    command = [sys.executable, "-m", "lsp_server", "train", "--corpus", str(corpus), "--run", str(tmp_path)]
    options = ["--width", "64", "--layers", "2", "--tokens", str(2048 * STEPS + 1)]
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.pt")}
    found = subprocess.run(
        [*command, *options],
        env=environment(),
        timeout=300,
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )
    assert found.returncode == 2
    assert found.stderr.splitlines() == [
        f"quickfill: cannot write {tmp_path / 'checkpoint.pt'}: File too large; what was there before is untouched"
    ]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.suffix != ".jsonl"} == before


@pytest.mark.parametrize("name", ["train.jsonl", "decay.jsonl", "heldout.jsonl", "tokenizer.json"])
def test_a_file_that_is_not_the_manifests_is_not_trained_on(corpus: Path, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(corpus, tmp_path / "corpus"))
    with (folder / name).open("a") as file:
        file.write("\n")
    with pytest.raises(CorpusError, match=f"{name} is not the file that"):
        train(run_of(folder, tmp_path / "run", 1))


def test_a_corpus_without_checksums_says_what_to_do(corpus: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(corpus, tmp_path / "corpus"))
    (folder / "manifest.json").write_text('{"packages": []}')
    with pytest.raises(CorpusError, match="build the corpus in another folder"):
        add_to_manifest(folder, "tokenizer.json")


def test_windows_of_an_earlier_corpus_are_packed_again(tmp_path: Path) -> None:
    first = prepare(write_toy_corpus(tmp_path), 10_000)
    again = prepare(tmp_path, 10_000)
    other = prepare(write_toy_corpus(tmp_path, SOURCE.replace("total", "surface")), 10_000)
    assert (first.decay.tokens == again.decay.tokens).all()
    assert first.decay.tokens.shape != other.decay.tokens.shape or (first.decay.tokens != other.decay.tokens).any()


def test_a_longer_run_gets_more_windows_and_a_shorter_one_those_that_are_there(tmp_path: Path) -> None:
    write_toy_corpus(tmp_path, SOURCE * 8)
    sizes = [len(prepare(tmp_path, tokens).decay.tokens) for tokens in (1_000, 1_000_000, 1_000)]
    assert sizes[0] < sizes[1] == sizes[2]


def test_damaged_windows_are_named(corpus: Path, tmp_path: Path) -> None:
    prepare(corpus, 10_000)
    folder = Path(shutil.copytree(corpus, tmp_path / "corpus"))
    packed = folder / "packed" / "long.npz"
    packed.write_bytes(flipped(packed.read_bytes()))
    with pytest.raises(ValueError, match=r"long\.npz is damaged: delete it"):
        prepare(folder, 10_000)


def test_a_vocabulary_made_later_is_in_the_manifest_once(tmp_path: Path) -> None:
    write_toy_corpus(tmp_path)
    before = checked_hashes(tmp_path)
    add_to_manifest(tmp_path, "tokenizer.json")
    assert checked_hashes(tmp_path) == before
