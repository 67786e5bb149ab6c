"""A canvas drafts where its slots save more time than they take, and the text stays what it is without one."""

from __future__ import annotations

import inspect
import textwrap
from dataclasses import replace

import pytest

from model.engine import job
from model.engine.engine import Engine
from model.infilling.deadline import PassCosts
from model.infilling.drafts import CANVAS
from model.infilling.request import InfillRequest
from model.infilling.slots import Slots

SOURCE = inspect.getsource(textwrap)
PLACES = [
    InfillRequest((SOURCE[:start], SOURCE[SOURCE.index("\n", start) :]), single_line=True) for start in range(600, 5000, 700)
]
DEAR = PassCosts(fixed=2e-3, row=2e-4, pair=0.0)  # seconds, as on a processor
FREE = PassCosts(fixed=2e-3, row=0.0, pair=0.0)  # as on a GPU whose memory sets the pace


def test_slots_are_read_where_rows_cost_next_to_nothing() -> None:
    assert Slots(FREE).pay(8, 8, 1000)
    assert not Slots(DEAR).pay(8, 8, 1000)


def test_a_canvas_that_is_never_right_is_given_up() -> None:
    slots = Slots(PassCosts(fixed=2e-3, row=1e-6, pair=0.0))
    assert slots.pay(8, 8, 1000)
    for _ in range(2000):
        slots.learn(0)
    assert not slots.pay(8, 8, 1000)


def test_one_that_saves_more_than_its_rows_cost_is_read_and_one_that_takes_long_to_read_off_is_not() -> None:
    slots = Slots(DEAR)
    for _ in range(2000):
        slots.learn(3)
        slots.wrote(4)
    assert slots.kept == pytest.approx(3, rel=0.01)
    assert slots.pay(2, 2, 1000)
    for _ in range(2000):
        slots.took(0.1)
    assert not slots.pay(2, 2, 1000)


def test_where_it_does_not_pay_it_is_tried_now_and_then_and_may_come_to() -> None:
    slots = Slots(DEAR)
    passes = [slots.pay(2, 2, 1000) for _ in range(3000)]
    assert 1 <= sum(passes) <= 30
    for _ in range(3000):
        if slots.pay(2, 2, 1000):
            for _ in range(100):  # in each of so many passes
                slots.learn(3)
    assert slots.pay(2, 2, 1000)


def test_an_engine_drafts_by_the_canvas_where_that_pays_and_writes_the_same(
    bundled: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def texts_and_drafts(costs: PassCosts) -> tuple[list[str], int]:
        monkeypatch.setattr(job, "PassCosts", lambda: costs)
        engine = Engine(bundled.model)
        found = [engine.infill(replace(place, branches=0)).candidates for place in PLACES]
        drafted = engine.statistics().drafted[CANVAS]
        engine.close()
        return [candidates[0].text if candidates else "" for candidates in found], drafted

    dear, never = texts_and_drafts(PassCosts(fixed=2e-3, row=2e-4, pair=0.0))
    free, often = texts_and_drafts(PassCosts(fixed=2.0, row=0.0, pair=0.0))
    assert never == 0
    assert often > 10
    # Two of the seven go round in circles: the way out of them is given so many passes, and how far it comes depends on drafts.
    assert sum(one == other for one, other in zip(free, dear, strict=True)) >= len(PLACES) - 2
