"""OpenAI's `/v1/completions` with `prompt` and `suffix`: what comes in and what goes out, chunk by chunk.

Knows that dialect. Knows no HTTP and no engine. What the model has no notion of (`temperature`, `top_p`, `user`, ...) is ignored.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from lsp_server.context.window import as_document_text, sent_window
from lsp_server.gateway.wire import CANDIDATES, TOKENS
from model.infilling.request import Infilling, InfillRequest

# How clients that know no `suffix` put it into the prompt, as StarCoder and as Qwen learned it: what stands before the prefix,
# before the suffix, and at the end.
_FORMATS = (("<fim_prefix>", "<fim_suffix>", "<fim_middle>"), ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"))
LENGTH = 64  # tokens, where the client does not say: OpenAI's 16 are less than many a line of code
Count = Callable[[str], int]  # the number of tokens of a text


class StreamOptions(BaseModel):
    include_usage: bool = False


class CompletionBody(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    model: str | None = None
    prompt: str
    suffix: str | None = None
    max_tokens: int = Field(LENGTH, ge=1, le=TOKENS)
    n: int = Field(1, ge=1, le=CANDIDATES)
    stop: str | list[str] | None = Field(None, max_length=100)
    stream: bool = False
    stream_options: StreamOptions | None = None
    temperature: float | None = None

    @field_validator("max_tokens", "n", "stream", mode="before")
    @classmethod
    def _usual(cls, value: object, info: ValidationInfo) -> object:
        """null is as good as nothing."""
        return cls.model_fields[info.field_name or ""].default if value is None else value

    @field_validator("prompt", mode="before")
    @classmethod
    def _one_prompt(cls, value: object) -> object:
        """A list of one text is what some clients send."""
        if isinstance(value, list):
            if len(value) != 1 or not isinstance(value[0], str):
                raise ValueError("must be one text, or a list that holds one")
            return value[0]
        return value

    @property
    def sides(self) -> tuple[str, str]:
        """The text before the place and the text behind it."""
        if self.suffix is None:
            for first, second, end in _FORMATS:
                if self.prompt.startswith(first) and self.prompt.endswith(end) and second in self.prompt:
                    before, _, behind = self.prompt.removeprefix(first).removesuffix(end).partition(second)
                    return before, behind
        return self.prompt, self.suffix or ""

    @property
    def stops(self) -> list[str]:
        found = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return [text for text in found if text]


@dataclass(frozen=True)
class Choice:
    text: str
    finish_reason: str  # "stop": the text ended by itself or at a stop text; "length": max_tokens were written


@dataclass(frozen=True)
class Answer:
    """Everything the client is told, whole or in chunks."""

    id: str
    created: int
    model: str
    choices: tuple[Choice, ...]
    prompt_tokens: int
    completion_tokens: int

    @property
    def usage(self) -> dict[str, int]:
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        }

    def whole(self) -> dict[str, object]:
        return {**self._around([_choice(i, c.text, c.finish_reason) for i, c in enumerate(self.choices)]), "usage": self.usage}

    def events(self, with_usage: bool) -> Iterator[str]:
        """Server-sent events: one for each choice, the usage if it is asked for, and the end."""
        usage = {"usage": None} if with_usage else {}
        for number, choice in enumerate(self.choices):
            yield _event({**self._around([_choice(number, choice.text, choice.finish_reason)]), **usage})
        if with_usage:
            yield _event({**self._around([]), "usage": self.usage})
        yield "data: [DONE]\n\n"

    def _around(self, choices: list[dict[str, object]]) -> dict[str, object]:
        return {"id": self.id, "object": "text_completion", "created": self.created, "model": self.model, "choices": choices}


def request_for(body: CompletionBody) -> tuple[InfillRequest, str]:
    """What the engine is asked, and the line break of the text that it is asked about.

    A client that stops at line breaks wants the rest of a line, and that the engine does better if it knows.
    """
    before, behind = body.sides
    window = sent_window(before + behind, [(len(before), len(before))])
    asked = InfillRequest(
        window.parts, candidates=body.n, max_tokens=body.max_tokens, single_line="\n" in body.stops, whole_lines=False
    )
    return asked, window.newline


def answer_to(body: CompletionBody, newline: str, infilling: Infilling, count: Count) -> Answer:
    written = [count(candidate.text) for candidate in infilling.candidates]
    choices = [
        _ended(as_document_text(candidate.text, newline), body.stops, not candidate.whole or tokens >= body.max_tokens)
        for candidate, tokens in zip(infilling.candidates, written, strict=True)
    ]
    unfinished = infilling.reason is not None and "before a line was complete" in infilling.reason
    if not choices:
        choices = [Choice("", "length" if unfinished else "stop")]
    return Answer(
        f"cmpl-{uuid.uuid4().hex}",
        int(time.time()),
        infilling.model,
        tuple(choices),
        sum(map(count, body.sides)),
        sum(written),
    )


def _ended(text: str, stops: list[str], full: bool) -> Choice:
    ends = [at for stop in stops if (at := text.find(stop)) >= 0]
    if ends:
        return Choice(text[: min(ends)], "stop")
    return Choice(text, "length" if full else "stop")


def _choice(index: int, text: str, finish_reason: str) -> dict[str, object]:
    return {"text": text, "index": index, "logprobs": None, "finish_reason": finish_reason}


def _event(chunk: dict[str, object]) -> str:
    return f"data: {json.dumps(chunk)}\n\n"
