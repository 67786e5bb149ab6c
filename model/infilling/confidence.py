"""What makes a log probability say how likely a text is to be right: what is known already counts for nothing, and a text
may end earlier, where its probability still holds.

Knows tokens, their log probabilities and where a text can sensibly end. Knows no calibration and no threshold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from model.infilling.passes import Continuation, Row
from model.tokenization.healing import Healing
from model.tokenization.tokenizer import Tokenizer

_ENDS_WORD = re.compile(r"[\w)\]}\"']\Z")
_GOES_ON = re.compile(r"\w\Z")
_CLOSES = {")": "(", "]": "[", "}": "{"}


def given_typed(
    continuation: Continuation, opener: Tensor, tokens: Sequence[int], scores: Sequence[float], owed: bytes, healing: Healing
) -> list[float]:
    """Log probabilities of a hole's tokens, given that they spell `owed`: what the person has typed of the first word.

    Where the typed letters were unlikely, everything behind them would look unlikely too. `scores` are those of the check,
    given nothing; `opener` (width,) is the hidden state of the last visible row. Costs one pass over a few rows where the
    typed letters take several tokens.
    """
    impossible = []
    for token in tokens:
        if not owed:
            break
        impossible.append(healing.forbidden(owed))
        owed = healing.owed_after(owed, token)
    if not impossible:
        return list(scores)
    hidden = opener[None]
    if len(impossible) > 1:
        first = continuation.rows
        rows = [
            Row(token, continuation.base + number, range(first, first + number + 1))
            for number, token in enumerate(tokens[: len(impossible) - 1])
        ]
        hidden = torch.cat([hidden, continuation.read(rows)])
    log_probabilities = torch.log_softmax(continuation.network.logits(hidden).float(), -1)
    log_probabilities[torch.from_numpy(np.stack(impossible)).to(log_probabilities.device)] = float("-inf")
    possible = torch.logsumexp(log_probabilities, -1).tolist()
    # Two passes round differently: a probability just above 1 is 1.
    known = [min(0.0, score - mass) for score, mass in zip(scores, possible, strict=False)]
    return known + list(scores[len(known) :])


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
