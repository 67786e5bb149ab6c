"""`/infill` as llama.cpp's server knows it, for the editors that know that: llama.vim, llama.vscode.

Knows that dialect, and which of the chunks that come with it were shown last. Knows no HTTP and no engine. These
clients show what they get, unasked and as it is: so they get what the language server would show, cut to what is likely
to be right and without what stands there already. Of the chunks of other places that they send along, the model sees a
piece of one. What it has no notion of (samplers, `n_indent`, ...) is ignored.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from lsp_server.completion.complete import Asked, Completion, Place, asked_of
from lsp_server.context.gate import is_named_secret
from lsp_server.context.project import SourceFile
from lsp_server.context.similar import Piece, most_alike, other_files_of
from lsp_server.settings import Settings
from model.infilling import alike

Count = Callable[[str], int]  # the number of tokens of a text
FAR_MORE = 1.5  # times as alike as the piece that is shown, another one must be: a change has the whole context read again
MOST_SESSIONS = 1_000  # whose pieces are remembered


class Chunk(BaseModel):
    """Lines of another place, or of another file."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    text: str
    filename: str = ""


class InfillBody(BaseModel):
    """The text is `input_prefix`, `prompt`, the place, `input_suffix`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    input_prefix: str = ""
    prompt: str = ""
    input_suffix: str = ""
    input_extra: list[Chunk] = Field([], max_length=1_000)
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


class Chunks:
    """For each session, the piece of a chunk that its model sees. Thread-safe."""

    def __init__(self) -> None:
        self._shown: OrderedDict[str, Piece] = OrderedDict()
        self._lock = threading.Lock()

    def other_files(self, body: InfillBody, session: str) -> tuple[str, ...]:
        """The piece that is most like the place; the last one again, while its chunk is there and none is far more alike."""
        text, cursor = body.before + body.input_suffix, len(body.before)
        chunks = [chunk for chunk in body.input_extra if not is_named_secret(Path(chunk.filename))]
        files = [
            SourceFile(Path("/", str(n)), chunk.filename, chunk.text, alike.names_in(chunk.text))
            for n, chunk in enumerate(chunks)
        ]
        piece = most_alike(files, None, text, cursor)
        with self._lock:
            last = self._shown.pop(session, None)
            if last is not None and any(last.text in chunk.text for chunk in chunks):
                share = alike.share(alike.names_in(alike.around(text, cursor)), alike.names_in(last.text))
                if piece is None or piece.alike < FAR_MORE * share:
                    piece = last
            if piece is not None:
                self._shown[session] = piece
                if len(self._shown) > MOST_SESSIONS:
                    self._shown.popitem(last=False)
        return other_files_of(piece)


def request_for(body: InfillBody, other_files: tuple[str, ...] = ()) -> Asked:
    """What the engine is asked: what an editor's language server asks when nobody pressed a key for it."""
    offset = len(body.before)
    settings = Settings()
    if 0 < body.n_predict < settings.max_tokens:
        settings = Settings(max_tokens=body.n_predict)
    deadline = body.t_max_prompt_ms + body.t_max_predict_ms if body.t_max_predict_ms else None
    place = Place(body.before + body.input_suffix, ((offset, offset),), session=body.session, other_files=other_files)
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
