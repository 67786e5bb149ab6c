"""The layers of a network as one program that torch compiled ahead of time, for the processor that it was compiled on.

Knows layers, the compiler, and where a program stops for rows to attend. What is computed is `InferenceNetwork`'s but for how it
is rounded (tested): what lies between two products is one loop, rather than some ten calls, and keeps its numbers in float32
meanwhile. So whoever has read keys and values with one must not go on with the other. Knows no folder.
"""

from __future__ import annotations

import os
import tempfile
import threading
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.architecture.inference import Attend, InferenceNetwork, through, weights_of
from model.architecture.kernels import Product, is_steady, steady
from model.architecture.network import Network

EXAMPLE_ROWS = 24  # of a pass: what weights are laid out for
_OPTIONS = {
    "freezing": True,
    "cpp.threads": 1,  # what lies between products is less work than to share it
    "aot_inductor.precompile_headers": False,  # 280 MB that would stay behind
    "cpp_cache_precompile_headers": False,
}
_TRIED = (4, 8, 12, 16, 20, 24, 28, 32, 64, 96, 256)  # rows of the passes that a new program must round alike

# What a program calls back for: the rest of it, a compiler can see.
torch.library.define("quickfill::attend", "(Tensor qkv, int layer) -> Tensor")
torch.library.define("quickfill::product", "(Tensor x, int out, int number) -> Tensor")


class _Called(threading.local):
    """Of a thread: whom the program that runs on it calls back."""

    attend: Attend
    products: dict[int, Product]


_called = _Called()
torch.library.impl("quickfill::attend", "CPU", lambda qkv, layer: _called.attend(layer, qkv))
torch.library.impl("quickfill::product", "CPU", lambda x, out, number: _called.products[number](x))
torch.library.register_fake("quickfill::attend", lambda qkv, layer: qkv.new_empty(qkv.shape[0], qkv.shape[2] * qkv.shape[3]))
torch.library.register_fake("quickfill::product", lambda x, out, number: x.new_empty(x.shape[0], out))


class CannotCompile(Exception):
    """There can be no program for this network here; the message says why."""


class CompiledNetwork(InferenceNetwork):
    """With the program that `compile_layers` wrote into a file, for the same network on the same machine."""

    def __init__(self, network: Network, program: Path) -> None:
        # `torch._inductor` would import a compiler to do this, and unpack a copy of the file.
        self._program = torch._C._aoti.AOTIModelContainerRunnerCpu(str(program), 1)
        super().__init__(network)

    def _laid_out(self) -> list[list[Product]]:
        self._products = {
            number: steady(weight, self._half) for number, weight in enumerate(_weights(self.network)) if not _is_inside(weight)
        }
        return []  # the program has the others

    def layers(self, x: Tensor, cos: Tensor, sin: Tensor, attend: Attend) -> Tensor:
        _called.attend, _called.products = attend, self._products
        hidden: Tensor
        try:
            (hidden,) = self._program.run([x, cos, sin])
        finally:
            del _called.attend  # it holds the caches of the pass
        return hidden


def compile_layers(network: Network, program: Path) -> None:
    """Takes half a minute on one core, and a C++ compiler. The file is there once it is whole and tried. Raises CannotCompile."""
    weight, config = network.embedding.weight, network.config
    if weight.device.type != "cpu":
        raise CannotCompile("only what the processor computes is compiled")
    from torch._inductor import aot_compile
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler
    from torch._inductor.utils import fresh_cache

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        raise CannotCompile("no C++ compiler was found that works: install g++ or clang, or name one in CXX") from None

    rows = torch.export.Dim("rows", min=_TRIED[0])
    x, rotation = weight.new_zeros(EXAMPLE_ROWS, config.width), weight.new_zeros(EXAMPLE_ROWS, 2, 1, config.head_width)
    example = (x, rotation, rotation.clone())
    with tempfile.TemporaryDirectory(dir=program.parent) as folder:
        with torch.no_grad(), fresh_cache(dir=folder, delete=False):
            failed: RuntimeError | None = None
            try:
                exported = torch.export.export(_Layers(network).eval(), example, dynamic_shapes=({0: rows}, {0: rows}, {0: rows}))
                made = aot_compile(exported.module(), example, options=_OPTIONS)
            except RuntimeError as error:
                failed = error  # to whoever raised it here, the cache would be worth keeping
        if failed is not None:
            raise CannotCompile(f"torch's compiler failed: {str(failed).strip().splitlines()[0]}") from failed
        _try(CompiledNetwork(network, Path(str(made))))
        for suffix in (".json", ".so"):  # the first says whom the second calls back
            os.replace(Path(str(made)).with_suffix(suffix), program.with_suffix(suffix))


def _try(reader: CompiledNetwork) -> None:
    """Of rows that see only themselves. Raises CannotCompile if how one is rounded depends on the others, or one is wrong."""
    network, draw, most = reader.network, torch.Generator().manual_seed(0), max(_TRIED)
    own = network.embedding.weight.dtype
    x = torch.randn(most, network.config.width, generator=draw)
    cos, sin = torch.randn(2, most, 2, 1, network.config.head_width, generator=draw)

    def attend(layer: int, qkv: Tensor) -> Tensor:
        return qkv[:, 0].flatten(1) + qkv[:, 2].flatten(1)

    def exact(dtype: torch.dtype) -> Tensor:
        blocks = [[partial(F.linear, weight=weight.to(dtype)) for weight in weights] for weights in weights_of(network)]
        return through(blocks, network.config.head_width, x.to(dtype), cos.to(dtype), sin.to(dtype), attend).double()

    rows = [part.to(own) for part in (x, cos, sin)]
    found = {count: reader.layers(rows[0][:count], rows[1][:count], rows[2][:count], attend) for count in _TRIED}
    if not all(torch.equal(some, found[most][:count]) for count, some in found.items()):
        raise CannotCompile("what was compiled rounds rows otherwise when there are more of them")
    right = exact(torch.float64)
    if not (found[most].double() - right).abs().mean() <= 4 * (exact(own) - right).abs().mean():
        raise CannotCompile("what was compiled computes something else")


class _Layers(nn.Module):
    """What is compiled: rows, cosines and signed sines -> hidden states."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.head_width = network.config.head_width
        self.weights = nn.ParameterList(_weights(network))
        self.inside = [_is_inside(weight) for weight in self.weights]  # which is tried, and so not while this is looked at

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        products = [self._product(number) for number in range(len(self.weights))]
        blocks = [products[first : first + 4] for first in range(0, len(products), 4)]
        return through(blocks, self.head_width, x, cos, sin, lambda layer, qkv: torch.ops.quickfill.attend(qkv, layer))

    def _product(self, number: int) -> Product:
        weight = self.weights[number]
        if self.inside[number]:
            return lambda x: F.linear(x, weight)
        return lambda x: torch.ops.quickfill.product(x, weight.shape[0], number)


def _weights(network: Network) -> list[Tensor]:
    return [weight for weights in weights_of(network) for weight in weights]


def _is_inside(weight: Tensor) -> bool:
    """Whether a program multiplies by it, rather than call back: of weights that a compiler would not lay out as `steady` does,
    and of products that it would have to cut, it knows nothing.
    """
    return weight.dtype == torch.bfloat16 and is_steady(weight)
