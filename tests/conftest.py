"""Models for the tests (the bundled one, and tiny random ones in any precision), the shortest session of a client, and
which tests stay together where several processes run them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import hypothesis
import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # of several processes each has a core, and so have the servers that it starts
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from lsprotocol import types
from pygls.lsp.client import LanguageClient
from toy_run import write_toy_corpus

from model.architecture.network import Network, NetworkConfig
from model.checkpoints.store import BUNDLED, Model, load_model, read_card
from model.engine.engine import Engine
from model.tokenization.tokenizer import Tokenizer

# A machine that has other work, or compiles a kernel, takes longer for one example than for another: that is no failure.
hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("patient")

TOGETHER = ("tests/clients/", "tests/model/training/", "tests/model/engine/test_compiled.py")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Tests of a file that share an editor or what took long to make run in one process, in order; others wherever there is room.

    (The plugin's own way to say so, a mark, is lost with pytest 9.2.)
    """
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return nodeid.partition("::")[0] if nodeid.startswith(TOGETHER) else nodeid

    return Scheduling(config, log)


@pytest.fixture(scope="session", autouse=True)
def own_state(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What servers that tests start write down, the engines that they share and what these compiled are not the person's own."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))
    os.environ["QUICKFILL_PROGRAMS"] = str(tmp_path_factory.mktemp("programs"))
    os.environ["XDG_RUNTIME_DIR"] = str(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return Tokenizer.load(BUNDLED / "tokenizer.json")


@pytest.fixture(scope="session")
def bundled() -> Engine:
    return Engine(load_model())


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_corpus(tmp_path_factory.mktemp("corpus"))


def random_network(dtype: torch.dtype, seed: int = 0) -> Network:
    """Two layers, random everywhere: also where a new network starts from zero."""
    torch.manual_seed(seed)
    network = Network(NetworkConfig(width=64, layers=2, heads=2, window=48)).to(dtype).requires_grad_(False)
    for parameter in network.parameters():
        parameter.copy_(torch.randn_like(parameter) * (0.3 if parameter.dim() == 1 else parameter.shape[-1] ** -0.5))
    return network.eval()


@pytest.fixture(params=[1, 2], ids=["one thread", "two threads"])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    usual = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(usual)


@pytest.fixture(scope="session")
def random_engine(tokenizer: Tokenizer) -> Engine:
    return Engine(Model(read_card(BUNDLED), random_network(torch.float64), tokenizer))


async def suggested(client: LanguageClient, settings: Mapping[str, object] | None = None) -> list[types.InlineCompletionItem]:
    """What a connected client is suggested in a small file, in a session from beginning to end."""
    text = "import os\n\n\ndef home(user):\n    return os.path.\n"
    await client.initialize_async(
        types.InitializeParams(
            capabilities=types.ClientCapabilities(), initialization_options={"deadline_ms": 20_000.0, **(settings or {})}
        )
    )
    client.initialized(types.InitializedParams())
    client.text_document_did_open(types.DidOpenTextDocumentParams(types.TextDocumentItem("file:///a.py", "python", 1, text)))
    params = types.InlineCompletionParams(
        types.InlineCompletionContext(types.InlineCompletionTriggerKind.Invoked),
        types.TextDocumentIdentifier("file:///a.py"),
        types.Position(4, 19),
    )
    found = await client.text_document_inline_completion_async(params)
    await client.shutdown_async(None)
    client.exit(None)
    await client.stop()
    assert isinstance(found, types.InlineCompletionList)
    return list(found.items)
