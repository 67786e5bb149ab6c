"""What is asked of the model and what it answers: holes in a text, and candidates for them.

Knows text only. Knows no tokens, no editor and no files.
"""

from __future__ import annotations

from dataclasses import dataclass, field

BRANCHES = 8  # where nobody says otherwise
LEAST_CONTEXT, MOST_CONTEXT = 64, 1 << 16  # tokens


class Cancelled(Exception):
    """The caller no longer wants the answer."""


@dataclass(frozen=True)
class InfillRequest:
    """`parts` are the k+1 visible texts around k holes, lines separated by "\\n"."""

    parts: tuple[str, ...]
    other_files: tuple[str, ...] = ()
    given: tuple[str, ...] = ()  # nothing is written: the candidates are these texts, in this order, and how likely each is
    # A project whose texts the engine was told, and the name of this one in it: the model does not see the others, but copies.
    project: tuple[str, str] = ("", "")
    candidates: int = 1
    deadline_ms: float | None = None  # from the moment the engine is given the request
    max_tokens: int = 64  # of one hole
    single_line: bool = False  # the first line break ends a hole, and is not part of the answer
    stop_after_line: bool = False  # the line break behind the first line with text ends a hole, and belongs to it
    min_confidence: float = 0.0  # 0..1; what is less likely to be right is cut to a part that holds, or is no candidate
    allow_empty: bool = True  # False: a hole gets at least one token, as one who asks by hand expects
    checked: bool = True  # False: pure diffusion, faster and less careful
    passes: int | None = None  # of a hole: the last of so many writes what is left of it unchecked
    branches: int = (
        BRANCHES  # other texts of one line that are tried, in search of the likeliest; 0: greedy, as a text of lines is
    )
    drafts: bool = True  # False: checked decoding goes one token at a time, as a plain autoregressive model does
    gamma: float | None = None  # nats; the joint-error budget of one unchecked step; None: what the time that is left allows
    context_tokens: int = 1024  # most visible tokens
    whole_lines: bool = True  # False: what `max_tokens` end may end in the middle of a line

    def check(self) -> None:
        """Raises ValueError, in one sentence, for what cannot be asked."""
        if self.candidates < 1 or self.max_tokens < 1:
            raise ValueError("candidates and max_tokens must be at least 1")
        if self.branches < 0:
            raise ValueError(f"branches must be at least 0, got {self.branches}")
        if self.given and len(self.parts) != 2:
            raise ValueError("texts can be given for one hole only")
        if self.passes is not None and self.passes < 1:
            raise ValueError("passes must be at least 1")
        if not LEAST_CONTEXT <= self.context_tokens <= MOST_CONTEXT:
            bound = f"least {LEAST_CONTEXT}" if self.context_tokens < LEAST_CONTEXT else f"most {MOST_CONTEXT}"
            raise ValueError(f"context_tokens must be at {bound}, got {self.context_tokens}")
        if self.gamma is not None and not self.gamma >= 0:
            raise ValueError(f"gamma must be at least 0 nats, got {self.gamma}")
        if not 0 <= self.min_confidence <= 1:
            raise ValueError(f"min_confidence must be from 0 to 1, got {self.min_confidence}")


@dataclass(frozen=True)
class Part:
    """A leading part of a text. `score` is its log probability in nats, `confidence` how likely (0..1) it stands there."""

    text: str
    score: float
    confidence: float | None = None


@dataclass(frozen=True)
class Candidate:
    """One filling of all holes. `score` is its log probability in nats, ends included, given what is typed and, of lines
    that were searched, what stands behind.

    `confidence` is how likely (0..1) it is to be exactly right; None if it was not checked or the model is not calibrated.
    `parts`, shortest first, are what the text of a single checked hole can be cut to.
    """

    texts: tuple[str, ...]
    score: float
    confidence: float | None = None
    parts: tuple[Part, ...] = ()
    whole: bool = True  # False: a leading part of what was, or would be, written, which may end in the middle of a statement

    @property
    def text(self) -> str:
        return self.texts[0]

    def held(self, minimum: float) -> Candidate | None:
        """The candidate, or the longest leading part of it, that is at least this likely to be right; None without any."""
        if self.confidence is None or self.confidence >= minimum:
            return self
        for part in reversed(self.parts):
            if part.confidence is not None and part.confidence >= minimum:
                return Candidate((part.text,), part.score, part.confidence, whole=False)
        return None


@dataclass(frozen=True)
class Infilling:
    """Candidates, best first; without any, `reason` says why. `steps` are passes that drafted or checked something."""

    candidates: tuple[Candidate, ...]
    reason: str | None
    steps: int
    forward_passes: int
    timings_ms: dict[str, float] = field(default_factory=dict)
    model: str = ""
    encoded_tokens: int = 0  # visible tokens that were not in the session's cache
    knows_project: bool = True  # False: the engine was told nothing of it, or has forgotten it
