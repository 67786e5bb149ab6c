"""The engine as its users call it, text in and text out, with a session that has seen the text without its last key or with none.

Knows the engine's requests. Knows nothing of what happens inside.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from model.engine.engine import Engine
from model.evaluation.rivals.rival import Prompt, Written
from model.infilling.request import InfillRequest

SESSION = "bench"


@dataclass(frozen=True)
class Ours:
    name: str
    engine: Engine
    warm: bool = True
    checked: bool = True
    passes: int | None = None

    def prepare(self, prompt: Prompt) -> None:
        # A new session each time: one that remembered what it wrote here before would have nothing left to do.
        self.engine.forget(SESSION)
        if self.warm:
            self.engine.infill(replace(self._request(prompt, 1), parts=(prompt.prefix[:-1], prompt.suffix), passes=None), SESSION)

    def write(self, prompt: Prompt, count: int) -> Written:
        answer = self.engine.infill(self._request(prompt, count), SESSION)
        return Written(answer.candidates[0].text if answer.candidates else "", None, answer.steps)

    def _request(self, prompt: Prompt, count: int) -> InfillRequest:
        return InfillRequest(
            (prompt.prefix, prompt.suffix),
            max_tokens=count,
            checked=self.checked,
            passes=self.passes,
            context_tokens=prompt.context,
        )
