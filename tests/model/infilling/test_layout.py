"""The order in which the model reads a file."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from model.checkpoints.store import BUNDLED
from model.infilling.layout import continuation, encode_visible
from model.tokenization.agreement import common_length
from model.tokenization.tokenizer import Tokenizer

TOKENIZER = Tokenizer.load(BUNDLED / "tokenizer.json")
LINES = st.lists(st.text(alphabet="ab =().\t", max_size=30), max_size=120).map("\n".join)


@given(LINES, LINES, st.sampled_from([64, 256, 1024]))
def test_visible_tokens_stay_within_the_budget_and_end_at_the_hole(prefix: str, suffix: str, budget: int) -> None:
    tokens = encode_visible(TOKENIZER, (prefix, suffix), ("import os\n" * 20,), budget)
    assert len(tokens) <= budget
    assert tokens[-1] == TOKENIZER.holes[0]


@given(LINES, LINES)
def test_with_room_for_everything_nothing_is_lost(prefix: str, suffix: str) -> None:
    tokens = encode_visible(TOKENIZER, (prefix, suffix), (), 100_000)
    marks = (TOKENIZER.far_suffix, TOKENIZER.far_prefix, TOKENIZER.near_suffix, TOKENIZER.near_prefix)
    texts = dict.fromkeys(marks, "")
    here: list[int] = []
    section = -1
    for token in [*tokens[:-1], marks[0]]:
        if token in marks:
            if section >= 0:
                texts[section] = TOKENIZER.decode(here)
            section, here = token, []
        else:
            here.append(token)
    assert texts[marks[1]] + texts[marks[3]] == prefix
    assert texts[marks[2]] + texts[marks[0]] == suffix


def test_typing_changes_the_end_of_the_sequence_only() -> None:
    prefix, suffix = "x = 1\n" * 100, "\ny = 2" * 100
    before = encode_visible(TOKENIZER, (prefix + "foo", suffix))
    after = encode_visible(TOKENIZER, (prefix + "foo(a", suffix))
    assert common_length(before, after) >= len(before) - 2


def test_other_holes_are_marked_where_they_are() -> None:
    tokens = encode_visible(TOKENIZER, ("a = ", "\nb = ", "\nc = ", "\n"))
    assert [t for t in tokens if t in TOKENIZER.holes] == [TOKENIZER.holes[1], TOKENIZER.holes[2], TOKENIZER.holes[0]]
    after = continuation(TOKENIZER, ["1", "2", "3"])
    assert after.count(TOKENIZER.eos) == 3
    assert after[-1] == TOKENIZER.eos
