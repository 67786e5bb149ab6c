"""What followed the same tokens in other texts: found as by going through them, the text being edited left out."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from model.infilling.copies import LONGEST_MATCH
from model.infilling.ngrams import SHORTEST, SHORTEST_LINE, NgramIndex, OtherTexts
from model.tokenization.healing import Healing
from model.tokenization.tokenizer import Tokenizer

MARK = 6  # from here on: what nobody copies
TOKENS = st.lists(st.integers(0, MARK), max_size=40)


def gone_through(texts: list[list[int]], context: list[int]) -> tuple[int, Counter[int]]:
    """The longest match that something copyable follows, and what does."""
    for length in range(min(LONGEST_MATCH, len(context)), SHORTEST - 1, -1):
        found = Counter(
            text[end]
            for text in texts
            for end in range(length, len(text))
            if text[end - length : end] == context[-length:] and text[end] < MARK
        )
        if found:
            return length, found
    return 0, Counter()


@given(st.lists(TOKENS, min_size=1, max_size=4), TOKENS, st.integers(0, 3))
def test_the_longest_match_in_any_other_text_counts(texts: list[list[int]], context: list[int], own: int) -> None:
    index = NgramIndex({str(number): np.array(text, np.uint16) for number, text in enumerate(texts)}, MARK)
    found = OtherTexts(index, str(own)).trail(context).followers()
    others = [text for number, text in enumerate(texts) if number != own]
    assert (found.match, found.counts) == gone_through(others, context)


@given(TOKENS, TOKENS, TOKENS)
def test_going_on_token_by_token_is_the_same(text: list[int], context: list[int], more: list[int]) -> None:
    others = OtherTexts(NgramIndex({"a": np.array(text, np.uint16)}, MARK), "")
    trail = others.trail(context)
    for token in more:
        trail = trail.after(token)
    assert trail.followers() == others.trail([*context, *more]).followers()


def test_behind_very_many_places_some_are_looked_at() -> None:
    text = np.array([1, 2, 3] * 9_000 + [1, 2, 4], np.uint16)
    found = OtherTexts(NgramIndex({"a": text}, MARK), "").trail([5, 1, 2]).followers()
    assert found.match == 2
    assert found.counts.total() < 1_000
    assert found.counts.most_common(1)[0][0] == 3


LINES = st.lists(
    st.sampled_from(["", "b", "a(b)", "a(b) + c", "(b) + c", "return a(b)", "d = [1, 2]  # d", "= [1, 2]"]), max_size=6
)


@given(st.lists(LINES, min_size=1, max_size=3), LINES.filter(bool), st.integers(0, 2))
def test_a_line_is_found_where_it_stands_as_a_whole_in_any_other_text(
    tokenizer: Tokenizer, texts: list[list[str]], asked: list[str], own: int
) -> None:
    breaks = Healing(tokenizer).line_breaks
    told = {str(number): np.array(tokenizer.encode("\n    ".join(lines)), np.uint16) for number, lines in enumerate(texts)}
    others = OtherTexts(NgramIndex(told, tokenizer.ordinary), str(own))
    for line in asked:
        stands = any(line in lines for number, lines in enumerate(texts) if number != own)
        long = len(tokenizer.encode(line)) >= SHORTEST_LINE
        assert others.have_line(tokenizer.encode(line), breaks) == (stands and long)
