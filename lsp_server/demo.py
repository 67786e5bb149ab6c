"""The demonstration: holes of small programs being filled, first one hole, then several jointly, shown step by step.

Knows the programs and how a step is drawn. Knows no decoding: it records what the engine lets it watch, and replays it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.text import Text

from lsp_server.completion.filters import suggestions
from model.engine.engine import Engine
from model.infilling.request import InfillRequest

HOLE = "⟨⟩"
MASK = "░"
FRAME_SECONDS = 0.35  # a step takes some milliseconds; the replay is slowed down for the eye

TEMPERATURE = '''class Temperature:
    """A temperature that knows two scales."""

    def __init__(self, celsius=0.0):
        self.celsius = celsius

    @property
    def fahrenheit(self):
        return self.celsius * 9 / 5 + 32

    def warmer(self, degrees):
        return Temperature(self.celsius + degrees)

    def colder(self, degrees):
        return Temperature(⟨⟩)
'''
ACCOUNT = '''class Account:
    """Money, and what happened to it."""

    def __init__(self, owner, balance, currency):
        self.owner = owner
        self.balance = ⟨⟩
        self.currency = ⟨⟩

    def deposit(self, amount):
        if amount < 0:
            raise ValueError("not a deposit")
        self.balance += ⟨⟩
        return self.balance

    def withdraw(self, amount):
        self.balance -= amount
        return ⟨⟩
'''


@dataclass(frozen=True)
class Scene:
    title: str
    program: str
    checked: bool

    def request(self) -> InfillRequest:
        parts = tuple(self.program.split(HOLE))
        return InfillRequest(parts, single_line=True, allow_empty=False, checked=self.checked, gamma=0.1)


SCENES = (
    Scene("One hole, checked: what is drafted is re-read by the model before it is kept", TEMPERATURE, True),
    Scene("Several holes, jointly: pure diffusion, all slots at once", ACCOUNT, False),
    Scene("The same holes, checked: slower, more careful", ACCOUNT, True),
)


def play(engine: Engine, console: Console) -> None:
    """Runs the scenes on a console: as an animation on a terminal, a line for each step elsewhere."""
    engine.warm_up()
    for scene in SCENES:
        console.print(f"[bold]{scene.title}[/bold]")
        _play(engine, console, scene)


def _play(engine: Engine, console: Console, scene: Scene) -> None:
    tokenizer = engine.model.tokenizer
    steps: list[list[str]] = []

    def watch(canvases: list[list[int]]) -> None:
        steps.append(["".join(MASK if t == tokenizer.mask else tokenizer.decode([t]) for t in canvas) for canvas in canvases])

    answer = engine.infill(scene.request(), watch=watch)
    found = suggestions(answer.candidates, scene.request().parts)
    shown, reason = found.suggestions, found.complaint
    final = list(shown[0].texts) if shown else []
    if console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            for step in [[MASK] * scene.program.count(HOLE), *steps, final]:
                live.update(_drawn(scene.program, step), refresh=True)
                time.sleep(FRAME_SECONDS)
    else:
        for number, step in enumerate(steps, 1):
            console.print(f"  step {number}:  " + "   |   ".join(text.replace("\n", "⏎") for text in step), markup=False)
        console.print(_drawn(scene.program, final))
    tokens = sum(len(tokenizer.encode(text)) + 1 for text in final)
    timings = answer.timings_ms
    console.print(
        f"{tokens} tokens in {answer.steps} passes: {timings['total']:.0f} ms, "
        f"of these {timings['prefill']:.0f} ms to read the program"
        f"{'' if final else f' ({answer.reason or reason})'}\n",
        style="dim",
    )


def _drawn(program: str, texts: Sequence[str]) -> Text:
    """The program with the holes' texts in it, green where something stands."""
    drawn = Text()
    for number, part in enumerate(program.rstrip("\n").split(HOLE)):
        drawn.append(part)
        if number < program.count(HOLE):
            text = texts[number] if number < len(texts) else ""
            drawn.append(text or MASK, "bold green" if text.strip(MASK) else "yellow")
    return drawn
