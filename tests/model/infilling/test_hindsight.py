"""What stands behind a hole, as evidence for one text or another."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.infilling.hindsight import Hindsight, Weighed

LIKELY = st.floats(-9, -0.1)
WEIGHED = st.lists(
    st.builds(Weighed, st.text("ab", max_size=4), LIKELY, LIKELY), min_size=1, max_size=6, unique_by=lambda one: one.text
)


def test_of_two_texts_that_one_gains_from_which_what_stands_behind_follows() -> None:
    hindsight = Hindsight([Weighed("open()", math.log(0.4), math.log(0.1)), Weighed("close()", math.log(0.4), math.log(0.3))])
    assert math.exp(math.log(0.4) + hindsight.gain("open()")) == pytest.approx(0.2)  # a quarter of what both had
    assert math.exp(math.log(0.4) + hindsight.gain("close()")) == pytest.approx(0.6)


def test_of_a_text_that_was_not_weighed_nothing_is_said() -> None:
    assert Hindsight([Weighed("a", -1.0, -5.0), Weighed("b", -1.0, -1.0)]).gain("c") == 0


@given(WEIGHED)
def test_what_all_weighed_texts_have_together_stays_the_same(weighed: list[Weighed]) -> None:
    hindsight = Hindsight(weighed)
    after = sum(math.exp(one.score + hindsight.gain(one.text)) for one in weighed)
    assert after == pytest.approx(sum(math.exp(one.score) for one in weighed))


@given(WEIGHED, st.text("ab", max_size=2), st.floats(0, 3))
def test_a_part_is_as_likely_as_all_that_begins_with_it_and_never_sure_twice(
    weighed: list[Weighed], part: str, more: float
) -> None:
    hindsight = Hindsight(weighed)
    longer = [one for one in weighed if one.text.startswith(part)]
    before = math.log(sum(math.exp(one.score) for one in longer) + math.exp(-more)) if longer else -more
    likely = hindsight.of_part(part, before)
    known = sum(math.exp(one.score + hindsight.gain(one.text)) for one in longer)
    assert likely <= 0
    assert math.exp(likely) == pytest.approx(min(1.0, known + math.exp(-more)))


def test_a_part_that_no_weighed_text_begins_with_stays_as_likely() -> None:
    assert Hindsight([Weighed("ab", -1.0, -2.0)]).of_part("b", -0.7) == pytest.approx(-0.7)
