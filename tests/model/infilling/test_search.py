"""Best-first search over a toy language whose likeliest text is found by looking at all of them."""

from __future__ import annotations

from collections import Counter
from itertools import product
from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.infilling.search import AT_ONCE, Frontier, NoSibling, Sibling

LENGTH = 4  # letters of every text
Table = dict[str, float]  # how likely the letter "b" is behind each beginning; else it is an "a"

tables = st.fixed_dictionaries(
    {"".join(text): st.floats(0.05, 0.95) for length in range(LENGTH) for text in product("ab", repeat=length)}
)


def likelihood(table: Table, text: str) -> float:
    return sum(log(table[text[:at]] if letter == "b" else 1 - table[text[:at]]) for at, letter in enumerate(text))


def searched(table: Table, wanted: int, branches: int, rivals: int = 0, reach: float = 0.0) -> dict[str, float]:
    frontier: Frontier[str] = Frontier(wanted, float("-inf"), branches, rivals, reach)
    found: dict[str, float] = {}
    beginnings = [""]
    while beginnings:
        for beginning in beginnings:
            text = beginning
            while len(text) < LENGTH:
                likely = "b" if table[text] >= 0.5 else "a"
                other = text + ("a" if likely == "b" else "b")
                frontier.add(likelihood(table, other), other)
                text += likely
            found[text] = likelihood(table, text)
            frontier.note(text.encode(), found[text])
        beginnings = frontier.take()
    return found


@given(tables, st.integers(1, 5))
def test_with_branches_enough_the_likeliest_texts_are_found(table: Table, wanted: int) -> None:
    everything = sorted((likelihood(table, "".join(text)) for text in product("ab", repeat=LENGTH)), reverse=True)
    found = sorted(searched(table, wanted, 100).values(), reverse=True)
    assert found[:wanted] == pytest.approx(everything[:wanted])


@given(tables, st.integers(1, 3), st.integers(1, 4), st.floats(0, 5))
def test_rivals_are_found_that_are_nearly_as_likely_as_the_best(table: Table, wanted: int, rivals: int, reach: float) -> None:
    everything = sorted((likelihood(table, "".join(text)) for text in product("ab", repeat=LENGTH)), reverse=True)
    near = [likely for likely in everything if likely > everything[0] - reach]
    expected = everything[: max(wanted, min(len(near), wanted + rivals))]
    found = sorted(searched(table, wanted, 100, rivals, reach).values(), reverse=True)
    assert found[: len(expected)] == pytest.approx(expected)


@given(tables, st.integers(0, 9))
def test_so_many_branches_and_no_more(table: Table, branches: int) -> None:
    assert len(searched(table, 100, branches)) == min(2**LENGTH, 1 + branches)


@given(tables)
def test_a_text_that_is_likelier_than_not_is_not_doubted(table: Table) -> None:
    sure = {beginning: 0.95 if share >= 0.5 else 0.05 for beginning, share in table.items()}
    assert len(searched(sure, 1, 100)) == 1


def test_a_round_is_small_and_its_ways_are_the_likeliest() -> None:
    frontier: Frontier[int] = Frontier(1, -9.0, 6)
    for number in range(12):
        frontier.add(-float(number), number)
    assert frontier.take() == list(range(AT_ONCE))
    frontier.note(b"x", -5.0)
    assert frontier.take() == [AT_ONCE]  # the next one is as unlikely as what is there
    assert frontier.take() == []
    assert frontier.bar == -5.0


def test_a_text_counts_once_however_it_is_spelled() -> None:
    frontier: Frontier[int] = Frontier(2, -9.0, 6)
    frontier.note(b"x", -2.0)
    frontier.note(b"x", -1.0)
    frontier.note(b"x", -3.0)
    assert frontier.bar == -9.0
    frontier.note(b"y", -4.0)
    assert frontier.bar == -4.0


def test_a_branch_is_shown_what_the_text_it_left_has_at_the_same_places() -> None:
    trail = Sibling([5, 6, 7, 8], 1).after(9)  # 5 was kept, 6 was not
    assert trail.followers().counts == Counter([7])
    assert trail.after(7).followers().counts == Counter([8])
    assert trail.after(7).followers().match > trail.followers().match
    assert trail.after(1).after(2).followers().counts == Counter()
    assert NoSibling().trail([5, 6]).followers().counts == Counter()
