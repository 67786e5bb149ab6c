"""Where a text can end earlier, so that the part of it whose probability still holds is shown.

Knows tokens, their log probabilities and where a text can sensibly end. Knows no calibration and no threshold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from model.tokenization.tokenizer import Tokenizer

_ENDS_WORD = re.compile(r"[\w)\]}\"']\Z")
_GOES_ON = re.compile(r"\w\Z")
_CLOSES = {")": "(", "]": "[", "}": "{"}


def leading_parts(
    tokenizer: Tokenizer, tokens: Sequence[int], scores: Sequence[float], owed: bytes
) -> Iterator[tuple[str, float]]:
    """Leading parts of a hole's text that can stand alone, shortest first, with their log probabilities.

    `tokens` are without `<eos>`. Parts end behind a word or a closing bracket, with no bracket or quote left open; beyond the
    first line, only where a line ends.
    """
    spelled, shorter = b"", ""
    score = 0.0
    for number, token in enumerate(tokens):
        spelled += tokenizer.bytes_of(token)
        score += scores[number]
        following = tokenizer.bytes_of(tokens[number + 1]) if number + 1 < len(tokens) else b"\n"
        text = spelled[len(owed) :].decode("utf-8", "replace").rstrip()
        if text != shorter and _can_end(text, following.decode("utf-8", "replace")):
            yield text, score
        shorter = text


def _can_end(text: str, following: str) -> bool:
    if "\n" in text and not following.startswith("\n"):
        return False
    if not _ENDS_WORD.search(text) or (_GOES_ON.search(text) and re.match(r"\w", following)):
        return False
    return not (_leaves_open(text) or text.count('"') % 2 or text.count("'") % 2)


def _leaves_open(text: str) -> bool:
    """Whether a bracket that the text opens is not closed in it. Brackets it closes may have been opened before it."""
    opened: list[str] = []
    for character in text:
        if character in "([{":
            opened.append(character)
        elif opened and opened[-1] == _CLOSES.get(character):
            opened.pop()
    return bool(opened)
