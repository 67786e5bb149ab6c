"""What is asked of everyone who is measured: get ready, untimed, for a place; then write so many tokens there.

Knows a place as text and as tokens, and what was written. Knows nobody who writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Prompt:
    """A hole as everyone is given it. Who keeps a cache has seen the text without the prefix's last key."""

    prefix: str
    suffix: str
    hidden: str  # what stood in the hole
    context: int  # most visible tokens
    visible: list[int]
    before_key: list[int]  # the visible tokens a key ago
    greedy: list[int]  # what the model writes one token at a time in float32, no end among them


@dataclass(frozen=True)
class Written:
    """`tokens` are None where only a text is told, cut behind its last whole line unless the hole was ended."""

    text: str
    tokens: list[int] | None
    passes: int


class Rival(Protocol):
    @property
    def name(self) -> str: ...

    def prepare(self, prompt: Prompt) -> None:
        """Not timed: everything a user does not wait for at the last key."""

    def write(self, prompt: Prompt, count: int) -> Written:
        """Timed: `count` tokens."""
