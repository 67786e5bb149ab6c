"""`/infill` as llama.cpp's server knows it, for the editors that know that: llama.vim, llama.vscode.

Knows that dialect. Knows no HTTP and no engine. These clients show what they get, unasked and as it is: so they get what the
language server would show, cut to what is likely to be right and without what stands there already. What the model has no notion
of (samplers, `n_indent`, ...) is ignored, and so is `input_extra`: it changes from key to key, and the model reads other
files before everything else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping

from pydantic import BaseModel, ConfigDict, Field

from lsp_server.completion.complete import Asked, Completion, Place, asked_of
from lsp_server.settings import Settings

Count = Callable[[str], int]  # the number of tokens of a text


class InfillBody(BaseModel):
    """The text is `input_prefix`, `prompt`, the place, `input_suffix`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    input_prefix: str = ""
    prompt: str = ""
    input_suffix: str = ""
    n_predict: int = Field(-1, ge=-1)  # tokens at most; -1: as many as there are; 0: none, which is no request at all
    stop: list[str] = Field([], max_length=100)
    t_max_prompt_ms: float = Field(0, ge=0)
    t_max_predict_ms: float = Field(0, ge=0)  # 0: no limit
    stream: bool = False
    response_fields: list[str] | None = None
    id_slot: int = -1

    @property
    def before(self) -> str:
        return self.input_prefix + self.prompt

    @property
    def session(self) -> str:
        """Files are told apart by how they begin: there is nothing else, and the cache of one is no use to another."""
        first = self.before[:200].partition("\n")[0]
        return f"slot {self.id_slot} {hashlib.sha256(first.encode(errors='replace')).hexdigest()[:16]}"


def request_for(body: InfillBody) -> Asked:
    """What the engine is asked: what an editor's language server asks when nobody pressed a key for it."""
    offset = len(body.before)
    settings = Settings()
    if 0 < body.n_predict < settings.max_tokens:
        settings = Settings(max_tokens=body.n_predict)
    deadline = body.t_max_prompt_ms + body.t_max_predict_ms if body.t_max_predict_ms else None
    place = Place(body.before + body.input_suffix, ((offset, offset),), session=body.session)
    return asked_of(place, settings, deadline_ms=deadline, min_confidence=settings.min_confidence)


def answer_to(body: InfillBody, found: Completion | None, count: Count) -> dict[str, object]:
    """The answer, or those of its fields that are asked for by their paths. Without a completion nothing was asked."""
    content = found.candidates[0].text if found and found.candidates else ""
    ends = [at for stop in body.stop if stop and (at := content.find(stop)) >= 0]
    content = content[: min(ends, default=None)]
    timings = {} if found is None else found.timings_ms
    read, written = count(body.before) + count(body.input_suffix), count(content)
    answer: dict[str, object] = {
        "content": content,
        "stop": True,
        "model": "" if found is None else found.model,
        "reason": None if found is None else found.reason,
        "tokens_evaluated": read,
        "tokens_predicted": written,
        "tokens_cached": read,
        "truncated": False,
        "timings": {
            **_speed("prompt", read, timings.get("prefill", 0.0)),
            **_speed("predicted", written, timings.get("denoise", 0.0)),
        },
    }
    if body.response_fields is None:
        return answer
    return {path: value for path in body.response_fields if (value := _at(answer, path)) is not None}


def event(answer: Mapping[str, object]) -> str:
    """The whole answer as the only event of a stream."""
    return f"data: {json.dumps(answer)}\n\n"


def _speed(name: str, tokens: int, ms: float) -> dict[str, float]:
    return {
        f"{name}_n": tokens,
        f"{name}_ms": ms,
        f"{name}_per_token_ms": ms / max(1, tokens),
        f"{name}_per_second": 1000 * tokens / ms if ms else 0.0,
    }


def _at(answer: object, path: str) -> object:
    for name in path.split("/"):
        answer = answer.get(name) if isinstance(answer, dict) else None
    return answer
