"""Why nothing is shown: a small set of kinds that can be counted, each time with a sentence for a person.

Knows kinds and sentences, those of the engine among them. Knows no editor, and does not decide anything.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"  # by the client
    FILTERED = "filtered"  # counted by filter
    UNSURE = "below confidence"
    NOTHING = "nothing suggested"
    DEADLINE = "deadline"
    TOO_LONG = "too long"
    IGNORED = "ignored file"
    LANGUAGE = "language"
    MIDDLE_OF_WORD = "middle of a word"
    FINISHED_NAME = "behind a finished name"
    COMMENT = "comment"
    STRING = "string"
    FAILED = "engine failed"
    AWAY = "server away"
    NOT_OPEN = "not open"
    BAD_REQUEST = "bad request"


@dataclass(frozen=True)
class Silence:
    """One answer without suggestions. `name` says more exactly than the kind which decision it was."""

    kind: Kind
    sentence: str
    name: str = ""

    def __str__(self) -> str:
        return self.sentence

    @property
    def counted_as(self) -> str:
        return f"{self.kind}: {self.name}" if self.name else str(self.kind)


# How the engine's sentences begin, end or read.
_OF_THE_ENGINE = (
    ("below confidence", Kind.UNSURE),
    ("the deadline struck", Kind.DEADLINE),
    ("tokens were written", Kind.TOO_LONG),
)


def silence_of_engine(sentence: str) -> Silence:
    kind = next((kind for words, kind in _OF_THE_ENGINE if words in sentence), Kind.NOTHING)
    return Silence(kind, sentence)


@dataclass
class Record:
    """What became of the answers since the server began. Its owner is the server."""

    last: Silence | None = None  # why the last answer was empty; None: it was not
    silences: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)  # with suggestions, by where these came from
    candidates: int = 0  # of the model, before the filters
    changed: Counter[str] = field(default_factory=Counter)  # candidates, by filter
    dropped: Counter[str] = field(default_factory=Counter)

    def is_silent(self, silence: Silence) -> None:
        self.last = silence
        self.silences[silence.counted_as] += 1

    def is_shown(self, source: str) -> None:
        self.last = None
        self.answers[source] += 1
