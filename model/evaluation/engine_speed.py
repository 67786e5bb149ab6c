"""The engine beside other ways to write the same tokens: one run, everyone at the same places, in an order that changes.

Knows rivals, rounds and medians. Knows no decoding and no drawing. Each round is another place; who needs more than its share of
time at a size sits out the rest of that size's rounds, and ratios are of medians over the rounds in which both took part.
"""

from __future__ import annotations

import platform
import random
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from rich.progress import track

from model.checkpoints.store import Model, load_model
from model.engine.engine import Engine, fastest_dtype
from model.evaluation.places import find_places
from model.evaluation.rivals.dual_cache import DualCache
from model.evaluation.rivals.ours import Ours
from model.evaluation.rivals.recompute import Recompute
from model.evaluation.rivals.rival import Prompt, Rival, Written

CONTEXTS, FILLS = (500, 1000, 2000, 4000), (8, 16, 32, 64)
SHARE_S = 20.0  # seconds that one rival may take at one size
FEW_PASSES = 4
WARM, COLD = "ours, warm", "ours, cold"
UNCHECKED = "ours, unchecked, warm"
WARM_UP = 4  # tokens


@dataclass(frozen=True)
class Setup:
    """What is measured with. `twin` is what the autoregressive rivals read; None: the same weights as ours."""

    model: Path | None = None
    twin: Path | None = None
    data: Path | None = None
    contexts: tuple[int, ...] = CONTEXTS
    fills: tuple[int, ...] = FILLS
    rounds: int = 7
    threads: int = 1
    rivals: tuple[str, ...] = ("ours", "recompute", "dual-cache", "transformers", "llama.cpp")


@dataclass(frozen=True)
class Speed:
    """One rival at one size. `times_ours` says how many times as long as the warm engine it takes at the same places."""

    rival: str
    context: int
    fill: int
    n: int
    milliseconds: float
    times_ours: float
    identical: float  # share of places where the text is that of greedy decoding in float32; with other weights, none
    first_line: float  # share of places where the first line is the one that stood there
    passes: float

    def as_json(self) -> dict[str, object]:
        return {
            "rival": self.rival,
            "context": self.context,
            "fill": self.fill,
            "n": self.n,
            "median_ms": round(self.milliseconds, 2),
            "times_ours": round(self.times_ours, 2),
            "identical": round(self.identical, 3),
            "first_line": round(self.first_line, 3),
            "passes": round(self.passes, 1),
        }


@dataclass(frozen=True)
class Report:
    machine: str
    threads: int
    weights: str
    window: int  # tokens that a row of the network sees
    visible: Mapping[int, float]  # tokens that a prompt of each context has, on average
    speeds: tuple[Speed, ...]
    growth: Mapping[int, float]  # for each fill, the warm engine's time at the longest context over that at the shortest
    left_out: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        return {
            "benchmark": "engine",
            "machine": self.machine,
            "threads": self.threads,
            "weights": self.weights,
            "window": self.window,
            "visible_tokens": {context: round(tokens) for context, tokens in self.visible.items()},
            "speeds": [speed.as_json() for speed in self.speeds],
            "growth": {fill: round(growth, 2) for fill, growth in self.growth.items()},
            "left_out": list(self.left_out),
        }


@dataclass
class _Tally:
    """What one rival did at one size, round by round."""

    seconds: dict[int, float] = field(default_factory=dict)
    written: dict[int, Written] = field(default_factory=dict)


def measure(setup: Setup) -> Report:
    """Raises ValueError for a setup that cannot be measured; CheckpointError is one."""
    _check(setup)
    torch.set_num_threads(setup.threads)
    exact = load_model(setup.model)
    twin = load_model(setup.twin) if setup.twin else exact
    if twin.card.sha256["tokenizer.json"] != exact.card.sha256["tokenizer.json"]:
        raise ValueError(f"the twin {twin.card.name} has another vocabulary than {exact.card.name}: they cannot be compared")
    places = find_places(exact, setup.data, setup.contexts, setup.fills, setup.rounds)
    with TemporaryDirectory() as folder:
        rivals, left_out = _rivals(setup, load_model(setup.model, fastest_dtype()), twin, Path(folder))
        found: list[Speed] = []
        warm: dict[tuple[int, int], Mapping[int, float]] = {}
        sizes = [(context, fill) for context in setup.contexts for fill in setup.fills]
        for context, fill in track(sizes, "Measuring", disable=not sys.stderr.isatty()):
            prompts = [place[context] for place in places[fill]]
            tallies = _run(rivals, prompts, fill)
            found += _speeds(tallies, exact, prompts, fill)
            warm[context, fill] = tallies[WARM].seconds
    prompts_of = {context: [place[context] for own in places.values() for place in own] for context in setup.contexts}
    return Report(
        _processor(),
        setup.threads,
        exact.card.name if setup.twin is None else f"{exact.card.name}; transformers and llama.cpp: {twin.card.name}",
        exact.card.network.window,
        {context: float(np.mean([len(prompt.visible) for prompt in own])) for context, own in prompts_of.items()},
        tuple(found),
        growth(warm),
        left_out,
    )


def growth(seconds: Mapping[tuple[int, int], Mapping[int, float]]) -> dict[int, float]:
    """For each fill: how many times as long all places together take with the longest context as with the shortest.

    `seconds` has for each context and fill what each place took. Medians would compare different places: a fill takes three times
    as many passes at one as at another.
    """
    contexts = sorted({context for context, _ in seconds})
    if len(contexts) < 2:
        return {}
    found = {}
    for fill in sorted({fill for _, fill in seconds}):
        long, short = seconds[contexts[-1], fill], seconds[contexts[0], fill]
        both = long.keys() & short.keys()
        found[fill] = sum(long[place] for place in both) / sum(short[place] for place in both)
    return found


def _check(setup: Setup) -> None:
    if not setup.contexts or not setup.fills or min(setup.contexts) < 64 or min(setup.fills) < 2:
        raise ValueError("contexts must be at least 64 tokens and fills at least 2")
    unknown = [name for name in setup.rivals if name not in GROUPS]
    if unknown or not setup.rivals:
        raise ValueError(f"there is no rival {', '.join(unknown) or '(none given)'}: there are {', '.join(GROUPS)}")


def _rivals(setup: Setup, model: Model, twin: Model, folder: Path) -> tuple[list[Rival], tuple[str, ...]]:
    """Those who take part, and a line for each that cannot."""
    rivals: list[Rival] = []
    left_out = []
    for name in ("ours", *(name for name in setup.rivals if name != "ours")):
        try:
            rivals += GROUPS[name](setup, model, twin, folder)
        except ImportError as error:
            left_out.append(f"{name} is left out: it needs more packages ({error.name}): pip install 'quickfill[bench]'")
    return rivals, tuple(left_out)


def _ours(setup: Setup, model: Model, twin: Model, folder: Path) -> list[Rival]:
    """Without the copy gate, which is no part of the network, the engine's text is the network's greedy one."""
    plain = Engine(replace(model, card=model.card.model_copy(update={"copy_gate": None})), setup.threads)
    engines: list[Rival] = [Ours(WARM, plain), Ours(COLD, plain, warm=False)]
    if model.card.copy_gate is not None:
        engines.append(Ours("ours, copies mixed in, warm", Engine(model, setup.threads)))
    engines.append(Ours(f"ours, the rest unchecked in pass {FEW_PASSES}, warm", plain, passes=FEW_PASSES))
    engines.append(Ours(UNCHECKED, plain, checked=False))
    return engines


def _recompute(setup: Setup, model: Model, twin: Model, folder: Path) -> list[Rival]:
    return [Recompute(model)]


def _dual_cache(setup: Setup, model: Model, twin: Model, folder: Path) -> list[Rival]:
    return [DualCache(model)]


def _transformers(setup: Setup, model: Model, twin: Model, folder: Path) -> list[Rival]:
    from model.evaluation.rivals.transformers_twin import TransformersTwin

    return [TransformersTwin(twin, warm=True), TransformersTwin(twin, warm=False)]


def _llama_cpp(setup: Setup, model: Model, twin: Model, folder: Path) -> list[Rival]:
    from model.evaluation.rivals.llama_cpp import FASTEST, FASTEST_KEPT, LlamaCpp

    capacity = max(setup.contexts) + max(setup.fills)
    return [
        LlamaCpp(twin, folder, capacity, setup.threads, False, FASTEST_KEPT),
        LlamaCpp(twin, folder, capacity, setup.threads, True, FASTEST_KEPT),
        LlamaCpp(twin, folder, capacity, setup.threads, True, FASTEST),
    ]


GROUPS: dict[str, Callable[[Setup, Model, Model, Path], list[Rival]]] = {
    "ours": _ours,
    "recompute": _recompute,
    "dual-cache": _dual_cache,
    "transformers": _transformers,
    "llama.cpp": _llama_cpp,
}


def _run(rivals: Sequence[Rival], prompts: Sequence[Prompt], fill: int) -> dict[str, _Tally]:
    tallies = {rival.name: _Tally() for rival in rivals}
    for rival in rivals:
        rival.prepare(prompts[0])
        rival.write(prompts[0], min(fill, WARM_UP))
    shuffled = random.Random(0)
    for turn, prompt in enumerate(prompts):
        order = [rival for rival in rivals if sum(tallies[rival.name].seconds.values()) < SHARE_S]
        shuffled.shuffle(order)
        for rival in order:
            rival.prepare(prompt)
            began = time.perf_counter()
            written = rival.write(prompt, fill)
            tallies[rival.name].seconds[turn] = time.perf_counter() - began
            tallies[rival.name].written[turn] = written
    return tallies


def _speeds(tallies: Mapping[str, _Tally], model: Model, prompts: Sequence[Prompt], fill: int) -> list[Speed]:
    ours = tallies[WARM].seconds
    found = []
    for name, tally in tallies.items():
        together = [turn for turn in tally.seconds if turn in ours]
        ratio = _median_ms([tally.seconds[turn] for turn in together]) / _median_ms([ours[turn] for turn in together])
        pairs = [(prompts[turn], written) for turn, written in tally.written.items()]
        found.append(
            Speed(
                name,
                prompts[0].context,
                fill,
                len(pairs),
                _median_ms(tally.seconds.values()),
                ratio,
                float(np.mean([_is_greedy(model, prompt, written, fill) for prompt, written in pairs])),
                float(np.mean([_first_line(prompt.hidden) == _first_line(written.text) for prompt, written in pairs])),
                float(np.mean([written.passes for _, written in pairs])),
            )
        )
    return found


def _is_greedy(model: Model, prompt: Prompt, written: Written, fill: int) -> bool:
    greedy = prompt.greedy[:fill]
    if written.tokens is not None:
        return written.tokens == greedy
    text = model.tokenizer.decode(greedy)
    return written.text == text[: text.rfind("\n") + 1]


def _first_line(text: str) -> str:
    return text.partition("\n")[0].rstrip()


def _median_ms(seconds: Iterable[float]) -> float:
    return 1000 * float(np.median(list(seconds)))


def _processor() -> str:
    """What the system calls the processor, where it says so in a file."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
