"""The order in which the network reads a text with holes: the one function that training, evaluation and serving call.

    [other files] [far suffix] [far prefix] [near suffix] [near prefix] <hole_0> | text of hole 0 <eos> <hole_1> | ...

Knows text, lines and tokens. Knows no network. Sections begin and end at places that depend on the block the cursor is
in, not on the cursor, so that a keystroke changes the end of the sequence only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate

from model.tokenization.tokenizer import HOLES, Tokenizer

BLOCK = 16  # lines; sections are cut at multiples of it
NEAR_BEFORE = 12  # the near prefix has at least this many lines (if there are as many), at most BLOCK more
NEAR_AFTER = 6  # the same for the near suffix
FILE_SHARE = 4  # other files get at most 1/4 of the tokens
_BREAK = re.compile("\n")
TRIM = 64  # tokens; a near prefix too long for its budget is shortened in steps of this many, so that it holds still


def encode_visible(tokenizer: Tokenizer, parts: Sequence[str], other_files: Sequence[str] = (), budget: int = 1024) -> list[int]:
    """Tokens of everything visible around the k holes between k+1 parts, `<hole_0>` last; at most `budget` of them.

    The first part is the prefix; the others follow it, with `<hole_1>`, `<hole_2>`, ... standing where they meet.
    Raises ValueError for no hole or more than `HOLES`.
    """
    if not 2 <= len(parts) <= HOLES + 1:
        raise ValueError(f"a request has 1 to {HOLES} holes, got {len(parts) - 1}")
    left = budget - 5 - (len(parts) - 2)
    prefix, suffix = _Lines(parts[:1]), _Lines(parts[1:])

    near_start = max(0, prefix.count - 1 - NEAR_BEFORE) // BLOCK * BLOCK
    near_end = suffix.count - max(0, suffix.count - 1 - NEAR_AFTER) // BLOCK * BLOCK
    near_suffix = suffix.encode(tokenizer, 0, near_end)[: max(left // 3, left - _tokens_at_most(tokenizer, prefix, near_start))]
    near_prefix = prefix.encode(tokenizer, near_start, prefix.count)
    room = left - len(near_suffix)
    if len(near_prefix) > room:
        near_prefix = near_prefix[-(-(len(near_prefix) - room) // TRIM) * TRIM :]
    left -= len(near_suffix) + len(near_prefix)

    files: list[int] = []
    for text in other_files:
        head = tokenizer.encode(text)[: max(0, budget // FILE_SHARE - len(files) - 1)]
        if head and len(files) + len(head) < left:
            files += [tokenizer.file, *head]
    left -= len(files)

    far_prefix: list[int] = []
    for start in range(near_start - BLOCK, -1, -BLOCK):
        tokens = prefix.encode(tokenizer, start, start + BLOCK)
        if len(far_prefix) + len(tokens) > (left * 5 // 8 if near_end < suffix.count else left):
            break
        far_prefix[:0] = tokens
    left -= len(far_prefix)
    far_suffix: list[int] = []
    for start in range(near_end, suffix.count, BLOCK):
        tokens = suffix.encode(tokenizer, start, start + BLOCK)
        if len(far_suffix) + len(tokens) > left:
            break
        far_suffix += tokens

    sections = ((tokenizer.far_suffix, far_suffix), (tokenizer.far_prefix, far_prefix))
    far = [token for mark, tokens in sections if tokens for token in (mark, *tokens)]
    return [*files, *far, tokenizer.near_suffix, *near_suffix, tokenizer.near_prefix, *near_prefix, tokenizer.holes[0]]


def continuation(tokenizer: Tokenizer, texts: Sequence[str]) -> list[int]:
    """What follows the visible tokens once the holes are filled: each text, its `<eos>`, and the next hole's mark between."""
    tokens: list[int] = []
    for number, text in enumerate(texts):
        if number:
            tokens.append(tokenizer.holes[number])
        tokens += [*tokenizer.encode(text), tokenizer.eos]
    return tokens


def _tokens_at_most(tokenizer: Tokenizer, prefix: _Lines, start: int) -> int:
    return len(prefix.encode(tokenizer, start, prefix.count))


class _Lines:
    """Parts of a text, joined, cut before line breaks: a line is "\\n" and what follows it, the first one excepted."""

    def __init__(self, parts: Sequence[str]) -> None:
        self.text = "".join(parts)
        self.holes = list(accumulate(len(part) for part in parts))[:-1]
        self.starts = [0, *(found.start() for found in _BREAK.finditer(self.text, 1))]
        self.count = len(self.starts)

    def encode(self, tokenizer: Tokenizer, first: int, last: int) -> list[int]:
        """Tokens of the lines [first, last), with the marks of the holes in them."""
        start = self.starts[first] if first < self.count else len(self.text)
        end = self.starts[last] if last < self.count else len(self.text)
        tokens: list[int] = []
        for number, hole in enumerate(self.holes, 1):
            if start <= hole < end or hole == end == len(self.text):
                tokens += [*tokenizer.encode(self.text[start:hole]), tokenizer.holes[number]]
                start = hole
        return [*tokens, *tokenizer.encode(self.text[start:end])]
