"""The controller counts the passes that fit; less time gives a shorter answer, not a wrong one."""

from __future__ import annotations

import inspect
import textwrap
import time
from dataclasses import replace

import pytest

from model.engine import job
from model.engine.engine import Engine
from model.infilling.deadline import UNLIMITED, Deadline, PassCosts
from model.infilling.request import InfillRequest

SOURCE = inspect.getsource(textwrap)
PLACES = [
    InfillRequest((SOURCE[:start], SOURCE[SOURCE.index("\n", start) :]), single_line=True) for start in range(600, 9000, 900)
]


def test_costs_are_found_again_from_what_was_measured() -> None:
    costs = PassCosts()
    true = PassCosts(2e-3, 5e-5, 8e-8)
    costs.calibrate([(rows, keys, true.of(rows, keys)) for rows, keys in ((1, 0), (16, 0), (16, 512), (48, 1024), (1, 1024))])
    assert costs.of(20, 700) == pytest.approx(true.of(20, 700), rel=1e-6)
    for _ in range(100):
        costs.observe(20, 700, 3 * true.of(20, 700))  # the machine has become slower
    assert costs.of(20, 700) == pytest.approx(3 * true.of(20, 700), rel=0.01)


def test_the_passes_that_are_left() -> None:
    costs = PassCosts(fixed=10.0, row=0.0, pair=0.0)  # seconds
    assert Deadline().passes_left(1000, 1, 1) == UNLIMITED
    assert Deadline(passes=5).passes_left(3, 1, 1) == 2
    assert Deadline(costs, time.perf_counter() + 35).passes_left(0, 1, 1) == 3
    assert Deadline(costs, time.perf_counter() + 35, passes=4).passes_left(2, 1, 1) == 2
    assert Deadline(costs, time.perf_counter() - 1).passes_left(0, 1, 1) == 0


def test_a_part_of_the_time_ends_sooner_and_never_later() -> None:
    costs = PassCosts(fixed=10.0, row=0.0, pair=0.0)  # seconds
    assert Deadline(costs, time.perf_counter() + 95).in_seconds(35).passes_left(0, 1, 1) == 3
    assert Deadline(costs, time.perf_counter() + 35).in_seconds(95).passes_left(0, 1, 1) == 3
    assert Deadline(costs, passes=4).in_seconds(95).passes_left(1, 1, 1) == 3
    assert Deadline(costs).in_seconds(35).passes_left(0, 1, 1) == 3
    assert Deadline(costs, passes=2).by(time.perf_counter() + 35).passes_left(0, 1, 1) == 2


def test_the_search_takes_its_share_of_the_time_and_then_the_greedy_text_is_the_answer(
    bundled: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def texts(places: list[InfillRequest]) -> list[list[str]]:
        return [[candidate.text for candidate in bundled.infill(place).candidates] for place in places]

    hurried = [replace(place, deadline_ms=30_000.0) for place in PLACES]
    greedy, searched = texts([replace(place, branches=0) for place in hurried]), texts(hurried)
    assert searched != greedy
    assert searched == texts(PLACES)  # there is time for all of it
    found_at_all = texts([replace(place, candidates=8) for place in hurried])
    monkeypatch.setattr(job, "SEARCH_SHARE", 0.0)
    unsearched = texts(hurried)
    assert unsearched != searched
    # What ends where it leaves the greedy text needs no pass, and so no time.
    for found, written, best, others in zip(unsearched, greedy, searched, found_at_all, strict=True):
        assert found in (written, best) or set(found) <= set(others)


def test_what_the_greedy_text_takes_the_search_no_longer_has(bundled: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    hurried = [replace(place, deadline_ms=30_000.0) for place in PLACES]
    monkeypatch.setattr(job, "SEARCH_SHARE", 0.0)
    unsearched = [bundled.infill(place).candidates for place in hurried]
    monkeypatch.setattr(job, "SEARCH_SHARE", 0.1)
    searched = next(place for place, found in zip(hurried, unsearched, strict=True) if bundled.infill(place).candidates != found)
    waits = iter([3.1])  # seconds, in the first pass
    slow = bundled.infill(searched, watch=lambda tokens: time.sleep(next(waits, 0.0)))
    assert slow.candidates == unsearched[hurried.index(searched)]


def test_where_keys_cost_more_a_draft_must_be_likelier() -> None:
    costs = PassCosts()
    assert 0 < costs.least_chance(0) < costs.least_chance(4000) < 1


def test_what_leaves_early_holds_or_is_the_whole_answer(bundled: Engine) -> None:
    bundled.warm_up()
    shorter = 0
    for number, request in enumerate(PLACES):
        whole = bundled.infill(request, "file").candidates
        for deadline in (0, 8, 20):
            bundled.forget("file")
            bundled.warm("file", request.parts).result()
            for candidate in bundled.infill(replace(request, deadline_ms=deadline), "file").candidates:
                assert candidate.confidence is not None
                if not whole or candidate.text != whole[0].text:
                    shorter += 1
                    assert candidate.confidence >= 0.5, number
    assert shorter


@pytest.mark.parametrize("minimum", [0.3, 0.5, 0.8])
def test_who_wants_only_what_holds_gets_the_same_in_fewer_passes(bundled: Engine, minimum: float) -> None:
    passes = {True: 0, False: 0}
    for request in (replace(place, branches=0) for place in PLACES):  # of a search one gets the best alone
        whole = bundled.infill(request)
        wanted = bundled.infill(replace(request, min_confidence=minimum))
        held = [c.held(minimum) for c in whole.candidates if whole.steps <= 12]  # beyond, other beginnings were tried
        expected = [candidate.text for candidate in held if candidate is not None]
        found = [c.text for candidate in wanted.candidates if (c := candidate.held(minimum)) is not None]
        if whole.steps <= 12:
            assert found == expected
            assert found or wanted.reason
        passes[True] += wanted.steps
        passes[False] += whole.steps
    assert passes[True] < passes[False]
