"""`bench engine`: whoever is measured computes what the model computes, and the figures are those of the runs."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from model.checkpoints.store import load_model
from model.engine.engine import Engine
from model.evaluation.engine_speed import growth
from model.evaluation.places import greedy_text
from model.evaluation.rivals.dual_cache import DualCache
from model.evaluation.rivals.ours import Ours
from model.evaluation.rivals.recompute import Recompute
from model.evaluation.rivals.rival import Prompt
from model.infilling.checked import Limits
from model.infilling.layout import encode_visible
from model.infilling.reference import Reference
from model.tokenization.healing import split_partial_word

SOURCE = inspect.getsource(textwrap)
FILL = 10
MODEL = load_model()


def prompt(at: int, context: int = 300) -> Prompt:
    prefix, suffix = SOURCE[:at], SOURCE[at + 200 :]
    visible = encode_visible(MODEL.tokenizer, (prefix, suffix), budget=context)
    before = encode_visible(MODEL.tokenizer, (split_partial_word(prefix[:-1])[0], suffix), budget=context)
    return Prompt(prefix, suffix, "", context, visible, before, greedy_text(MODEL, visible, Limits(FILL, False)))


PROMPTS = [prompt(SOURCE.index("(", start) + 1) for start in (2000, 5000, 9000)]


def test_the_greedy_text_is_that_of_decoding_with_everything_recomputed() -> None:
    for one in PROMPTS:
        expected = Reference(MODEL.network, MODEL.tokenizer, one.visible, Limits(FILL, False)).greedy().tokens
        assert one.greedy == [token for token in expected if token != MODEL.tokenizer.eos]


def test_transformers_writes_the_greedy_text_warm_and_cold() -> None:
    pytest.importorskip("transformers", reason="needs the bench extra")
    from model.evaluation.rivals.transformers_twin import TransformersTwin

    for warm in (True, False):
        twin = TransformersTwin(MODEL, warm)
        for one in PROMPTS:
            twin.prepare(one)
            assert twin.write(one, FILL).tokens[: len(one.greedy)] == one.greedy


@pytest.mark.parametrize("lookup", [False, True], ids=["plain", "prompt lookup"])
def test_llama_cpp_writes_the_greedy_text(tmp_path: Path, lookup: bool) -> None:
    pytest.importorskip("llama_cpp", reason="needs the bench extra")
    pytest.importorskip("gguf", reason="needs the bench extra")
    from model.evaluation.rivals.llama_cpp import EXACT, LlamaCpp

    rival = LlamaCpp(MODEL, tmp_path, 512, 1, lookup, EXACT)
    for one in PROMPTS:
        rival.prepare(one)
        tokens = rival.write(one, FILL).tokens
        assert tokens is not None
        assert tokens[: len(one.greedy)] == one.greedy


def test_a_dual_cache_that_commits_one_slot_at_a_time_is_recomputation() -> None:
    """In this model no text sees a canvas: the cache is exact, and only who commits how many differs."""
    for one in PROMPTS[:2]:
        slow, fast = Recompute(MODEL).write(one, 4), DualCache(MODEL, threshold=1.1).write(one, 4)
        assert (slow.tokens, slow.passes) == (fast.tokens, fast.passes) == (slow.tokens, 4)


def test_the_warm_engine_has_read_all_but_the_last_key() -> None:
    engine = Engine(MODEL)
    warm, cold = Ours("warm", engine), Ours("cold", engine, warm=False)
    for one in PROMPTS:
        warm.prepare(one)
        before = engine.statistics().encoded_tokens
        text = warm.write(one, FILL).text
        assert engine.statistics().encoded_tokens - before < 20
        cold.prepare(one)
        assert cold.write(one, FILL).text == text
    engine.close()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "lsp_server", "bench", "engine", *arguments], capture_output=True, text=True)


def test_the_command_compares_with_whom_it_is_told(tmp_path: Path) -> None:
    plot = tmp_path / "speed.svg"
    drawn = ["--plot", str(plot)] if _can_draw() else []
    done = run("--contexts", "200,400", "--fills", "4", "--rounds", "2", "--rivals", "recompute", "--json", *drawn)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    names = {speed["rival"] for speed in report["speeds"]}
    assert {"ours, warm", "ours, cold", "recompute every step"} <= names
    assert all(speed["times_ours"] == 1 for speed in report["speeds"] if speed["rival"] == "ours, warm")
    assert set(report["growth"]) == {"4"}
    assert plot.exists() == bool(drawn)


def test_growth_is_of_the_places_that_were_measured_at_both_lengths() -> None:
    seconds = {(500, 8): {0: 1.0, 1: 3.0, 2: 9.0}, (4000, 8): {0: 2.0, 1: 4.0}, (1000, 8): {0: 50.0}}
    assert growth(seconds) == {8: 1.5}
    assert growth({(500, 8): {0: 1.0}}) == {}


def _can_draw() -> bool:
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return False
    return True


@pytest.mark.parametrize(
    "arguments",
    [
        ("--contexts", "1"),
        ("--fills", "x"),
        ("--rivals", "nobody"),
        ("--data", "/no/such/file"),
        ("--twin", "/no/such/model"),
        ("--contexts", "200", "--plot", "a.txt"),
    ],
)
def test_what_cannot_be_measured_is_one_line(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
