"""Muon (Jordan et al. 2024): momentum whose matrices are made nearly orthogonal, in the dtype that the machine is fastest in.

Knows matrices and their gradients. `torch.optim.Muon` does the same, but always in bfloat16: on a processor without units for it
that took more than half of the training time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic Newton-Schulz iteration: steepest at zero, never far from one
_ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """For parameters of two dimensions. `momentum` is Nesterov's; the weight decay is decoupled."""

    def __init__(self, parameters: Iterable[Tensor], lr: float, momentum: float, weight_decay: float, dtype: torch.dtype) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self._dtype = dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = None if closure is None else closure()
        for group in self.param_groups:
            alike: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    alike[parameter.shape].append(parameter)
            for (rows, columns), parameters in alike.items():
                nesterov = torch.stack([self._nesterov(parameter, group["momentum"]) for parameter in parameters])
                updates = orthogonal(nesterov.to(self._dtype)).to(parameters[0].dtype)
                rate = group["lr"] * max(1.0, rows / columns) ** 0.5
                for parameter, update in zip(parameters, updates, strict=True):
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    parameter.add_(update, alpha=-rate)
        return loss

    def _nesterov(self, parameter: Tensor, momentum: float) -> Tensor:
        state, gradient = self.state[parameter], parameter.grad
        assert gradient is not None
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        mean: Tensor = state["momentum_buffer"].lerp_(gradient, 1 - momentum)
        return gradient.lerp(mean, momentum)


def orthogonal(matrices: Tensor) -> Tensor:
    """(n, rows, columns) with singular values of roughly one, between about 0.5 and 1.5."""
    a, b, c = _COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / torch.linalg.matrix_norm(x, keepdim=True).clamp(min=1e-7)
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x
