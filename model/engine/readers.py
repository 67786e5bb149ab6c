"""What reads passes of a network fastest on this machine, and the programs that were compiled for that.

Knows the kinds of readers, and the folder where programs lie. Knows nothing of how any of them computes.
"""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

import torch
from platformdirs import user_cache_path

from model.architecture import inference, kernels
from model.architecture.graphs import GraphedNetwork
from model.architecture.inference import InferenceNetwork
from model.architecture.network import Network

log = logging.getLogger(__name__)

KEPT = 4  # programs: a model, a version of torch or of this code that is no longer used needs none


def reader_of(network: Network) -> InferenceNetwork:
    """With the program that `compile_for_here` made, where it did: its passes are faster, and rounded otherwise."""
    if network.embedding.weight.is_cuda:
        return GraphedNetwork(network)
    if network.embedding.weight.device.type != "cpu" or (program := program_of(network)) is None:
        return InferenceNetwork(network)
    from model.architecture.compiled import CompiledNetwork

    try:
        return CompiledNetwork(network, program)
    except RuntimeError:
        log.exception(
            "the compiled program %s cannot be loaded: passes take longer without; `quickfill compile` makes another", program
        )
        return InferenceNetwork(network)


def program_of(network: Network) -> Path | None:
    """The program that was compiled for this network, this processor, this torch and this code."""
    try:
        found = any(_folder().iterdir())  # to look at all weights takes 20 ms
    except OSError:
        return None
    program = _folder() / _name(network)
    return program if found and program.is_file() else None


def compile_for_here(network: Network) -> Path:
    """Makes the program that engines use from their next start on, in half a minute. Raises CannotCompile, OSError."""
    from model.architecture.compiled import compile_layers

    folder = _folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    program = folder / _name(network)
    compile_layers(network, program)
    for old in sorted(folder.glob("*.so"), key=lambda file: file.stat().st_mtime)[:-KEPT]:
        for suffix in (".so", ".json"):
            old.with_suffix(suffix).unlink(missing_ok=True)
    return program


def _folder() -> Path:
    """The user's own: whoever can write there can have this process do anything."""
    return Path(os.environ.get("QUICKFILL_PROGRAMS") or user_cache_path("quickfill") / "programs")


def _name(network: Network) -> str:
    processor = torch.backends.cpu.get_cpu_capability()
    if hasattr(torch.cpu, "get_capabilities"):  # not with every torch that will do
        processor += repr(torch.cpu.get_capabilities())
    seen = hashlib.sha256(repr((network.config, torch.__version__, processor)).encode())
    for source in (inference.__file__, kernels.__file__, str(Path(inference.__file__).with_name("compiled.py"))):
        seen.update(Path(source).read_bytes())
    for weight in network.parameters():
        seen.update(weight.detach().cpu().contiguous().view(torch.uint8).numpy().data)
    return f"{seen.hexdigest()[:24]}.so"
