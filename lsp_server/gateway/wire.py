"""The messages of the session protocol: a language server's requests, with their texts as edits, and the engine's answers.

Knows JSON, and which values are allowed. Knows no HTTP, no copies of texts and no engine.

`POST /v1/infill` takes an `Asking`, `POST /v1/warm` a `Warming`; both carry a `Turn`, which says what the session's text has
become. `POST /v1/project` takes a `Telling`: the texts of a project that requests copy from, if the option `project` names it.
An answer is an `Infilling`, field by field. 409 has a code: `superseded` means that a newer request took this one's place, any
other that the client is to send the whole text again (`base` null).
"""

from __future__ import annotations

import math
from dataclasses import MISSING, fields
from itertools import pairwise
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError

from lsp_server.gateway.mirror import Edit, Sections
from model.infilling.request import Infilling, InfillRequest

SUPERSEDED = "superseded"
BRANCHES = 64  # other texts of a line
CANDIDATES, TOKENS, CONTEXT_TOKENS, HOLES = 8, 1024, 8192, 8  # the most that a request may ask for
GIVEN = 2_000  # characters of the texts that are given for a hole
_TEXTS = ("parts", "other_files")
_DEFAULTS = {f.name: f.default for f in fields(InfillRequest) if f.name not in _TEXTS and f.default is not MISSING}

_requests = TypeAdapter(InfillRequest)
infillings = TypeAdapter(Infilling)

Count = Annotated[int, Field(ge=0)]


class Turn(BaseModel):
    """The text of a session, as what became of version `base` of it. Its sections: the text, and the other files."""

    model_config = ConfigDict(strict=True, frozen=True)

    session: Annotated[str, Field(max_length=100)] = ""  # unnamed: the text is not kept
    version: Count = 0
    base: Count | None = None  # null: the text is made from nothing
    sha256: str
    origins: list[Count | None] | None = None  # null: as many sections as before, in their places
    edits: list[tuple[Count, Count, Count, str]] = []  # section, offset, deleted characters, inserted text

    def as_edits(self) -> list[Edit]:
        return [Edit(*edit) for edit in self.edits]


class Asking(BaseModel):
    """A request to fill holes; `cuts` are their offsets in the text. `options`: the unusual ones of `InfillRequest`."""

    model_config = ConfigDict(strict=True, frozen=True)

    turn: Turn
    cuts: list[Count] = Field(min_length=1, max_length=HOLES)
    options: dict[str, JsonValue] = {}


class Warming(BaseModel):
    """A file was opened: its text is to be read ahead."""

    model_config = ConfigDict(strict=True, frozen=True)

    turn: Turn
    cuts: list[Count] = Field(min_length=1, max_length=HOLES)
    context_tokens: Annotated[int, Field(ge=1, le=CONTEXT_TOKENS)] = 1024


class Telling(BaseModel):
    """Texts of a project that are new or other than they were, by name; with `whole`, these are all."""

    model_config = ConfigDict(strict=True, frozen=True)

    project: Annotated[str, Field(min_length=1, max_length=100)]
    texts: dict[str, str]
    gone: list[str] = []
    whole: bool = False


def sections_of(parts: tuple[str, ...], other_files: tuple[str, ...] = ()) -> Sections:
    return ("".join(parts), *other_files)


def cuts_of(parts: tuple[str, ...]) -> list[int]:
    cuts, at = [], 0
    for part in parts[:-1]:
        at += len(part)
        cuts.append(at)
    return cuts


def options_of(request: InfillRequest) -> dict[str, JsonValue]:
    """The options that differ from the usual ones."""
    return {name: value for name, usual in _DEFAULTS.items() if (value := getattr(request, name)) != usual}


def parts_of(text: str, cuts: list[int]) -> tuple[str, ...]:
    """Raises ValueError, in a sentence, for cuts that are none."""
    bounds = [0, *cuts, len(text)]
    if bounds != sorted(bounds):
        raise ValueError(f"cuts must ascend and lie inside the text of {len(text)} characters, got {cuts}")
    return tuple(text[start:end] for start, end in pairwise(bounds))


def request_of(asking: Asking, sections: Sections) -> InfillRequest:
    """Raises ValueError, in a sentence, for what cannot be asked."""
    unknown = asking.options.keys() - _DEFAULTS.keys()
    if unknown:
        raise ValueError(f"there is no option {min(unknown)!r}; there are {', '.join(_DEFAULTS)}")
    texts = {"parts": parts_of(sections[0], asking.cuts), "other_files": sections[1:]}
    try:
        request = _requests.validate_python({**asking.options, **texts})
    except ValidationError as error:
        raise ValueError(complaint(error)) from None
    check_limits(request)
    return request


def check_limits(request: InfillRequest) -> None:
    """Raises ValueError, in a sentence."""
    limits = {"candidates": CANDIDATES, "max_tokens": TOKENS, "context_tokens": CONTEXT_TOKENS}
    for name, most in limits.items():
        if not 1 <= getattr(request, name) <= most:
            raise ValueError(f"{name} must be 1 to {most}, got {getattr(request, name)}")
    if not 0 <= request.branches <= BRANCHES:
        raise ValueError(f"branches must be 0 to {BRANCHES}, got {request.branches}")
    if len(request.given) > CANDIDATES or sum(map(len, request.given)) > GIVEN:
        raise ValueError(f"{CANDIDATES} texts of {GIVEN:,} characters can be given at most")
    for name in ("deadline_ms", "gamma", "min_confidence"):
        value = getattr(request, name)
        if value is not None and not math.isfinite(value):
            raise ValueError(f"{name} must be a finite number")


def complaint(error: ValidationError) -> str:
    """What is wrong with a message, without quoting it: it may hold somebody's code."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"] if part != "body")
    return f"{place}: {first['msg']}" if place else first["msg"]
