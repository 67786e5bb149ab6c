"""The one schema of every setting: names, types, limits, defaults.

Knows how to read settings that a person wrote in an editor, mistakes included. Knows no protocol message and no engine.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from rapidfuzz import process

from lsp_server.context.gate import IGNORE_FILES

log = logging.getLogger(__name__)

SECTION = "quickfill"
LIKE = 75  # per cent that a wrong name must share with the one that is meant


class Described(NamedTuple):
    """A setting for a person who reads about it."""

    name: str
    allowed: str
    default: str
    description: str


class Settings(BaseModel):
    """What a user can set. Strict, so that `true` is not taken for 1 nor "3" for 3."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    model: str | None = Field(None, description="Name or folder of the model; null is the one that ships with Quickfill.")
    deadline_ms: float = Field(500.0, gt=0, le=60_000, description="Milliseconds after which an answer must leave.")
    max_tokens: int = Field(64, ge=1, le=1024, description="Longest suggestion, in tokens.")
    candidates: int = Field(3, ge=1, le=8, description="Suggestions to cycle through when completion is asked for by hand.")
    # One half: what is shown unasked is more likely right than wrong. `quickfill eval confidence` measures what that leaves: at
    # more than every second place something is shown, and nearly three quarters of it are right.
    min_confidence: float = Field(
        0.5,
        ge=0,
        le=1,
        description="How likely to be right a suggestion must be to be shown unasked; 0 shows all, 1 hardly any.",
    )
    threads: int | None = Field(None, ge=1, le=1024, description="CPU threads for the model; null lets the engine choose.")
    device: Literal["cpu", "cuda", "mps", "xpu"] = Field(
        "cpu", description="Where the model is computed: the processor, or a GPU that torch can use on this machine."
    )
    shared_engine: bool = Field(
        True, description="Share one engine process among the windows of this machine; false loads the model in each."
    )
    multiline: Literal["auto", "never", "always"] = Field(
        "auto",
        description="Suggest several lines: where the syntax invites it, never, or wherever nothing follows on the line.",
    )
    ignore_files: tuple[str, ...] = Field(
        IGNORE_FILES,
        description="Names of files in the manner of .gitignore: what they exclude is neither completed nor read.",
        strict=False,
    )
    other_files: bool = Field(
        True,
        description="Show the model the piece of another file of the workspace that is most like the place being edited, and "
        "copy from all of them.",
    )
    acceptance_log: bool = Field(
        True,
        description="Count what is shown, taken and kept, without any code, in a file on this machine for `quickfill report`.",
    )
    log_level: Literal["error", "warning", "info", "debug"] = Field("warning", description="What is written to standard error.")

    def overlaid(self, values: object) -> Settings:
        """These settings with `values` from an editor on top; a bad value keeps what stood here, with one warning."""
        if values is None:
            return self
        if not isinstance(values, Mapping):
            log.warning("settings: expected an object with settings, got %s; ignored", type(values).__name__)
            return self
        section = values.get(SECTION, values)
        if not isinstance(section, Mapping):
            log.warning("settings: %r must be an object, got %s; ignored", SECTION, type(section).__name__)
            return self
        good = {str(name): value for name, value in section.items()}
        try:
            return self._with(good)
        except ValidationError as error:
            complaints = {}
            for problem in error.errors():
                name = str(problem["loc"][0])
                if name not in complaints:
                    complaints[name] = _complaint(name, good.pop(name, None))
            log.warning("settings: ignored %s", "; ".join(complaints.values()))
            return self._with(good)

    def _with(self, values: Mapping[str, object]) -> Settings:
        return Settings.model_validate({**self.model_dump(), **values})


def described() -> list[Described]:
    """All settings, in the order of the schema."""
    schema = Settings.model_json_schema()["properties"]
    return [Described(name, _allowed(one), json.dumps(one["default"]), one["description"]) for name, one in schema.items()]


def _complaint(name: str, value: object) -> str:
    """What is wrong, in a sentence that names the setting, the value and what is allowed."""
    known = {one.name: one for one in described()}
    if name in known:
        return f"{name}: {json.dumps(value, default=repr)} is not {known[name].allowed}"
    near = process.extractOne(name, list(known), score_cutoff=LIKE)
    return f"{name}: no such setting" + (f"; is {near[0]} meant?" if near else "")


def _allowed(schema: dict[str, Any]) -> str:
    """What a value must be, in words, from a part of the JSON schema."""
    if "anyOf" in schema:
        return " or ".join(map(_allowed, schema["anyOf"]))
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    kind = {
        "boolean": "true or false",
        "string": "a text",
        "null": "null",
        "integer": "a whole number",
        "number": "a number",
        "array": "a list of texts",
    }[schema["type"]]
    least, most = schema.get("minimum"), schema.get("maximum")
    if "exclusiveMinimum" in schema:
        return f"{kind} above {schema['exclusiveMinimum']:,} and up to {most:,}"
    return kind if least is None else f"{kind} from {least:,} to {most:,}"
