"""The one schema of every setting: names, types, limits, defaults.

Knows how to read settings that a person wrote in an editor, mistakes included. Knows no protocol message and no engine.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lsp_server.context.gate import IGNORE_FILES

log = logging.getLogger(__name__)

SECTION = "quickfill"


class Settings(BaseModel):
    """What a user can set. Strict, so that `true` is not taken for 1 nor "3" for 3."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    model: str | None = Field(None, description="Name or folder of the model; null is the one that ships with Quickfill.")
    deadline_ms: float = Field(500.0, gt=0, le=60_000, description="Milliseconds after which an answer must leave.")
    max_tokens: int = Field(64, ge=1, le=1024, description="Longest suggestion, in tokens.")
    candidates: int = Field(3, ge=1, le=8, description="Suggestions to cycle through when completion is asked for by hand.")
    # One half: what is shown unasked is more likely right than wrong. `quickfill eval confidence` measures what that leaves: at
    # about every second place something is shown, and two thirds of it are right.
    min_confidence: float = Field(
        0.5,
        ge=0,
        le=1,
        description="How likely to be right a suggestion must be to be shown unasked; 0 shows all, 1 hardly any.",
    )
    threads: int | None = Field(None, ge=1, le=1024, description="CPU threads for the model; null lets the engine choose.")
    multiline: Literal["auto", "never", "always"] = Field(
        "auto",
        description="Suggest several lines: where the syntax invites it, never, or wherever nothing follows on the line.",
    )
    ignore_files: tuple[str, ...] = Field(
        IGNORE_FILES,
        description="Names of files in the manner of .gitignore: what they exclude is neither completed nor read.",
        strict=False,
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
            complaints = []
            for problem in error.errors():
                name = str(problem["loc"][0])
                good.pop(name, None)
                complaint = "no such setting" if problem["type"] == "extra_forbidden" else problem["msg"]
                complaints.append(f"{name}: {complaint}")
            log.warning("settings: ignored %s", "; ".join(complaints))
            return self._with(good)

    def _with(self, values: Mapping[str, object]) -> Settings:
        return Settings.model_validate({**self.model_dump(), **values})
