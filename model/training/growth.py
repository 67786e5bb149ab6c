"""A deeper network out of a trained one, that begins as the same function.

Knows blocks and their weights. Knows no training.
"""

from __future__ import annotations

from torch import Tensor


def deepened(weights: dict[str, Tensor], layers: int, deeper: int) -> dict[str, Tensor]:
    """The state of a network of `deeper` blocks, of which all but `layers` write nothing yet, evenly spread among the others.

    A new block reads as the one before it does and its outputs are zero (block expansion, Wu et al. 2024, "LLaMA Pro"), as
    those of a random one are.
    """
    grown = {name: weight for name, weight in weights.items() if not name.startswith("blocks.")}
    sources = [(number * layers + layers // 2) // deeper for number in range(deeper)]
    for number, source in enumerate(sources):
        new = number > 0 and sources[number - 1] == source
        for part in ("qkv", "out", "up", "down"):
            weight = weights[f"blocks.{source}.{part}.weight"]
            silent = new and part in ("out", "down")
            grown[f"blocks.{number}.{part}.weight"] = weight.new_zeros(weight.shape) if silent else weight.clone()
    return grown
