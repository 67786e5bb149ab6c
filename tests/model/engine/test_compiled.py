"""A program that was compiled for this machine: it computes what is computed without, to the bit alike whatever else is read."""

from __future__ import annotations

import gc
import json
import os
import shutil
import subprocess
import sys
import weakref
from pathlib import Path

import pytest
import torch
from conftest import random_network
from test_many_edits import caches_and_recomputations
from test_scheduling import segments

from model.architecture import compiled, inference, kernels
from model.architecture.compiled import CannotCompile, CompiledNetwork, compile_layers
from model.architecture.inference import InferenceNetwork
from model.architecture.network import Network
from model.architecture.rows import RowCache, causal_bias
from model.checkpoints.store import load_model
from model.engine.engine import Engine, fastest_dtype
from model.engine.readers import compile_for_here, reader_of
from model.infilling.passes import text_segment
from model.infilling.request import InfillRequest
from model.tokenization.tokenizer import Tokenizer

pytestmark = pytest.mark.skipif(shutil.which(os.environ.get("CXX", "g++")) is None, reason="needs a C++ compiler")
bfloat16 = pytest.mark.skipif(fastest_dtype() != torch.bfloat16, reason="float32 rounds by how many rows there are")
PLACES = ((1, 0), (1, 30), (5, 70), (17, 33), (130, 0), (2, 257))


def run(programs: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lsp_server", *arguments],
        env={**os.environ, "QUICKFILL_PROGRAMS": str(programs), **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compiled")
    done = run(folder, "compile")
    assert done.returncode == 0, done.stderr
    assert str(folder) in done.stdout
    return folder


@pytest.fixture
def engine(programs: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setenv("QUICKFILL_PROGRAMS", str(programs))
    return Engine.load()


@pytest.fixture
def reader(engine: Engine) -> CompiledNetwork:
    found = reader_of(engine.model.network)
    assert isinstance(found, CompiledNetwork)
    return found


def are_alike(reader: InferenceNetwork) -> bool:
    """Whether texts that are read together find to the bit what each of them finds alone."""
    with torch.inference_mode():
        alone = [reader.read([segment])[0] for segment in segments(reader.network, PLACES)]
        together = reader.read(segments(reader.network, PLACES))
    return all(torch.equal(one.logits, other.logits) for one, other in zip(alone, together, strict=True))


def distance(reader: InferenceNetwork, exact: Network, tokens: list[int]) -> float:
    """Of the logits from those in float32: the mean."""
    rows = torch.arange(len(tokens))[None]
    with torch.inference_mode():
        hidden = exact(exact.embed(torch.tensor([tokens])), rows, causal_bias(len(tokens), exact.canvas))
        read = reader.read([text_segment(tokens, RowCache(reader.network), 0)])[0].hidden
        return float((reader.logits(read) - exact.logits(hidden)[0]).abs().mean())


def test_an_engine_that_starts_computes_with_it(engine: Engine, reader: CompiledNetwork) -> None:
    request = InfillRequest(("import os\n\n\ndef home(user):\n    return os.", "\n"), single_line=True, allow_empty=False)
    cold, warm = engine.infill(request, "file"), engine.infill(request, "file")
    assert cold.candidates[0].text
    assert cold.candidates == warm.candidates
    other = random_network(fastest_dtype())
    assert type(reader_of(other)) is InferenceNetwork  # it is of other weights


def test_the_doctor_says_whether_there_is_one(programs: Path, tmp_path: Path) -> None:
    said = [json.loads(run(folder, "doctor", "--json").stdout)["compiled"] for folder in (programs, tmp_path)]
    assert said == ["yes", "no: `quickfill compile` makes it faster"]


def test_it_is_as_near_to_float32_as_what_is_not_compiled(reader: CompiledNetwork, tokenizer: Tokenizer) -> None:
    exact = load_model().network
    tokens = tokenizer.encode(Path(inference.__file__).read_text("utf-8"))[:600]
    assert distance(reader, exact, tokens) < 1.1 * distance(InferenceNetwork(reader.network), exact, tokens)


@pytest.mark.usefixtures("threads")
def test_neighbours_change_no_bit_of_it(reader: CompiledNetwork) -> None:
    assert are_alike(reader)


def test_after_a_pass_nothing_holds_its_cache(reader: CompiledNetwork) -> None:
    cache = RowCache(reader.network)
    reader.read([text_segment([5, 6, 7], cache, 0)])
    gone = weakref.ref(cache)
    del cache
    gc.collect()
    assert gone() is None


@bfloat16
@pytest.mark.parametrize("budget", [900, 2000], ids=["in the window", "beyond"])
def test_after_edits_not_one_bit_differs(reader: CompiledNetwork, budget: int) -> None:
    for mine, right in caches_and_recomputations(reader, 60, 4, budget):
        assert torch.equal(mine, right)


@bfloat16
def test_products_that_would_round_otherwise_are_computed_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with AMX, where those of long rows do from 33 rows on. Of older programs some are left."""
    rounds_alike = kernels._rounds_alike

    def as_with_amx(dtype: torch.dtype, out: int, width: int) -> tuple[int, int | None]:
        return (4, 32) if width == 256 else rounds_alike(dtype, out, width)

    sizes: set[int] = set()
    product = kernels._product

    def noted(weight: torch.Tensor, half: bool) -> kernels.Product:
        multiply = product(weight, half)

        def note(x: torch.Tensor) -> torch.Tensor:
            if x.shape[1] == 256:
                sizes.add(len(x))
            return multiply(x)

        return note

    monkeypatch.setattr(kernels, "_rounds_alike", as_with_amx)
    monkeypatch.setattr(kernels, "_product", noted)
    monkeypatch.setenv("QUICKFILL_PROGRAMS", str(tmp_path))
    for number in range(6):
        for suffix in (".so", ".json"):
            tmp_path.joinpath(f"{number}{suffix}").touch()
    network = random_network(torch.bfloat16)
    compile_for_here(network)
    sizes.clear()
    reader = reader_of(network)
    assert isinstance(reader, CompiledNetwork)
    assert are_alike(reader)
    assert max(sizes) == 32
    tokens = list(range(40))
    exact = random_network(torch.bfloat16).float()
    assert distance(reader, exact, tokens) < 1.1 * distance(InferenceNetwork(network), exact, tokens)
    assert len(list(tmp_path.iterdir())) == 2 * 4


def test_with_weights_in_float16_it_computes_the_same_too(tmp_path: Path) -> None:
    """As where bfloat16 is no faster: what multiplies them is called back."""
    network = random_network(torch.bfloat16).float()
    compile_layers(network, tmp_path / "layers.so")
    reader = CompiledNetwork(network, tmp_path / "layers.so")
    assert are_alike(reader)
    assert distance(reader, network, list(range(40))) < 1e-3


def test_what_rounds_otherwise_with_more_rows_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = CompiledNetwork.layers
    monkeypatch.setattr(CompiledNetwork, "layers", lambda self, x, *rest: layers(self, x, *rest) * (1 + len(x) // 64))
    with pytest.raises(CannotCompile, match="rounds rows otherwise"):
        compile_layers(random_network(torch.bfloat16), tmp_path / "layers.so")
    assert not list(tmp_path.iterdir())


def test_without_a_compiler_one_line_says_so_and_what_is_there_stays(programs: Path) -> None:
    before = sorted(programs.iterdir())
    done = run(programs, "compile", PATH="", CXX="")
    assert done.returncode == 2
    assert done.stderr.strip() == "quickfill: no C++ compiler was found that works: install g++ or clang, or name one in CXX"
    assert sorted(programs.iterdir()) == before


def test_a_damaged_program_is_left_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("QUICKFILL_PROGRAMS", str(tmp_path))
    network = random_network(torch.bfloat16)
    monkeypatch.setattr(compiled, "compile_layers", lambda network, program: program.write_bytes(b"\x7fELF" + bytes(99)))
    compile_for_here(network)
    assert type(reader_of(network)) is InferenceNetwork
    assert "quickfill compile" in caplog.text
