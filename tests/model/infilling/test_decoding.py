"""Checked decoding writes what greedy decoding writes; unchecked decoding fills every slot."""

from __future__ import annotations

import inspect
import math
import re
import textwrap
import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from model.architecture.inference import InferenceNetwork
from model.checkpoints.trigrams import NOTHING, TrigramTable
from model.engine.engine import Engine
from model.engine.job import WAYS_OUT
from model.engine.session import Session
from model.infilling.checked import BEHIND_TOKENS, Chain, CheckedDecoder, Limits, Rivals, Sources
from model.infilling.copies import CopyGate
from model.infilling.deadline import Deadline, PassCosts
from model.infilling.layout import encode_visible
from model.infilling.ngrams import Elsewhere, NgramIndex, OtherTexts
from model.infilling.passes import Continuation, run_alone
from model.infilling.reference import Reference, next_logits
from model.infilling.request import Candidate, InfillRequest
from model.infilling.slots import Always
from model.infilling.unchecked import fill_unchecked
from model.tokenization.healing import Healing, split_partial_word
from model.tokenization.tokenizer import Tokenizer

SOURCE = inspect.getsource(textwrap)


GATE = CopyGate((-0.5, *([0.4] * 7), 0.2, -0.3, 0.2, 0.1, -0.5, 0.3))
COPIER = CopyGate((4.0, *([0.0] * 13)))  # whatever it finds
CANVAS = Always(PassCosts())
TABLE = TrigramTable(  # whatever token stands there: something follows
    np.arange(NOTHING << 16, NOTHING * ((1 << 16) + 1), dtype=np.uint32),
    np.arange(2, 2 * NOTHING + 2, 2, dtype=np.uint32),
    np.tile(np.array([300, 7], np.uint16), NOTHING),
    np.tile(np.array([150, 50], np.uint8), NOTHING),
)


def checked_and_greedy(
    engine: Engine,
    parts: tuple[str, ...],
    limits: Limits,
    owed: bytes,
    sources: Sources,
    gate: CopyGate | None = None,
    elsewhere: Elsewhere | None = None,
) -> tuple[list[int], int, list[int], int]:
    network, tokenizer = engine.model.network, engine.model.tokenizer
    visible = encode_visible(tokenizer, parts, budget=400)
    session = Session(network)
    with torch.inference_mode():
        reader = InferenceNetwork(network)
        run_alone(reader, session.encode(visible, leave=8))
        base = len(session.tokens)
        rows = Continuation(reader, session.cache, base)
        decoder = CheckedDecoder(tokenizer, Healing(tokenizer), limits, visible, gate, sources, elsewhere)
        chain = run_alone(reader, decoder.run(rows, visible[base:], owed, 1, Deadline()))[0]
    expected = Reference(network, tokenizer, visible, limits, owed, gate, elsewhere).greedy().tokens
    return chain.tokens, rows.passes, expected, len(expected)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("gate", [None, GATE], ids=["network", "copies mixed in"])
@pytest.mark.parametrize(
    "sources",
    [Sources(CANVAS, True, TABLE), Sources(CANVAS, False), Sources(None, True), Sources(None, False, TABLE)],
    ids=["all", "canvas", "copies", "table"],
)
def test_checked_is_greedy_token_for_token(random_engine: Engine, seed: int, sources: Sources, gate: CopyGate | None) -> None:
    edges = [500 + 313 * seed + 200 * i for i in range(1 + seed % 3)]  # up to two more holes behind the one that is filled
    parts = (SOURCE[: edges[0]], *(SOURCE[a:b] for a, b in pairwise(edges)), SOURCE[edges[-1] : edges[-1] + 300])
    tokens, _, expected, _ = checked_and_greedy(random_engine, parts, Limits(64, seed % 2 == 0), b"", sources, gate)
    assert tokens == expected


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("gate", [None, GATE], ids=["network", "copies mixed in"])
def test_so_it_is_where_other_texts_are_copied_from(random_engine: Engine, seed: int, gate: CopyGate | None) -> None:
    tokenizer, at = random_engine.model.tokenizer, SOURCE.index("\n", 500 + 313 * seed)  # where tokens end, too
    texts = {name: np.array(tokenizer.encode(text), np.uint16) for name, text in (("a", SOURCE), ("b", SOURCE[at:] * 2))}
    found = []
    for own in ("", "a", "b"):
        elsewhere = Elsewhere(COPIER, OtherTexts(NgramIndex(texts, tokenizer.ordinary), own))
        parts = (SOURCE[:at], SOURCE[at + 90 : at + 600])
        limits, sources = Limits(48, False), Sources(None, True, TABLE)
        tokens, _, expected, _ = checked_and_greedy(random_engine, parts, limits, b"", sources, gate, elsewhere)
        assert tokens == expected
        found.append(tokens)
    assert len({tuple(tokens) for tokens in found}) > 1


def test_the_bundled_model_is_greedy_too_and_needs_half_the_passes(bundled: Engine) -> None:
    assert bundled.model.card.copy_gate is not None
    gate, sources = CopyGate(bundled.model.card.copy_gate), Sources(CANVAS, True, bundled.model.trigrams)
    total = reference = 0
    for start in range(600, 6600, 500):
        parts = (SOURCE[:start], SOURCE[SOURCE.index("\n", start) :])
        limits = Limits(24, True, allow_empty=False)
        tokens, passes, expected, one_by_one = checked_and_greedy(bundled, parts, limits, b"", sources, gate)
        assert tokens == expected
        total, reference = total + passes, reference + one_by_one
    assert total < 0.6 * reference


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("wanted", [1, 3])
def test_the_search_finds_what_it_would_find_one_token_at_a_time(bundled: Engine, seed: int, wanted: int) -> None:
    model, branches, at = bundled.model, 10, 600 + 577 * seed
    assert model.card.copy_gate is not None
    prefix, owed = split_partial_word(SOURCE[:at])
    end = SOURCE.index("\n", at)
    right = SOURCE[end - 3 * (seed % 2) : end]  # in every other case, something stands there
    visible = encode_visible(model.tokenizer, (prefix, SOURCE[end - len(right) :]), budget=300)
    limits, gate = Limits(20, True, allow_empty=False, right=right.encode()), CopyGate(model.card.copy_gate)
    expected = Reference(model.network, model.tokenizer, visible, limits, owed.encode(), gate).likeliest(branches, wanted)
    reader = InferenceNetwork(model.network)
    found: list[list[list[int]]] = []
    for sources in (Sources(None, True, model.trigrams), Sources(copies=False)):
        session = Session(model.network)
        with torch.inference_mode():
            run_alone(reader, session.encode(visible, leave=8))
            base = len(session.tokens)
            rows = Continuation(reader, session.cache, base)
            decoder = CheckedDecoder(model.tokenizer, Healing(model.tokenizer), limits, visible, gate, sources, None, branches)
            chains = run_alone(reader, decoder.run(rows, visible[base:], owed.encode(), 1, Deadline(), wanted=wanted))

        def score(chain: Chain) -> float:
            return sum(chain.scores) - limits.doubt(model.tokenizer, chain.tokens)

        found.append([chain.tokens for chain in chains])
        chains.sort(key=score)
        spelled = {model.tokenizer.decode_bytes(chain.tokens): chain for chain in chains if chain.complete}  # the likeliest way
        whole = sorted(spelled.values(), key=score, reverse=True)[:wanted]
        assert [chain.tokens for chain in whole] == [text.tokens for text in expected]
        assert [sum(chain.scores) for chain in whole] == pytest.approx([sum(text.scores) for text in expected], abs=1e-3)
    assert found[0] == found[1]  # down to what is not wanted: the drafts decide nothing


def test_of_what_is_found_at_least_as_much_is_right_in_the_mean_as_of_the_greedy_text(bundled: Engine) -> None:
    def worth(candidate: Candidate) -> float:
        return candidate.score + math.log1p(len(candidate.text))

    likelier = 0
    for start in range(600, 4600, 400):
        request = InfillRequest((SOURCE[:start], ""), single_line=True, allow_empty=False)  # nothing behind speaks for another
        [greedy] = bundled.infill(replace(request, branches=0)).candidates
        [found] = bundled.infill(request).candidates
        assert found.text == greedy.text or worth(found) > worth(greedy)
        likelier += found.score > greedy.score + 1e-3
    assert likelier > 1


def test_of_what_holds_the_longest_comes_first_and_whole_texts_before_it(bundled: Engine) -> None:
    cut = whole = 0
    for start in range(600, 6600, 300):
        request = InfillRequest((SOURCE[:start], SOURCE[SOURCE.index("\n", start) :]), single_line=True, candidates=4)
        minimum = 0.3
        found = bundled.infill(replace(request, min_confidence=minimum)).candidates
        assert all(candidate.confidence is None or candidate.confidence >= minimum for candidate in found)
        assert [candidate.whole for candidate in found] == sorted((candidate.whole for candidate in found), reverse=True)
        lengths = [len(candidate.text) for candidate in found if not candidate.whole]
        assert lengths == sorted(lengths, reverse=True)
        cut, whole = cut + len(lengths), whole + len(found) - len(lengths)
    assert cut
    assert whole


@pytest.mark.parametrize("most", [4, 6])
@pytest.mark.parametrize("search_s", [None, 1000.0], ids=["no time of its own", "time for all of it"])
def test_a_search_is_held_to_the_passes_there_are(bundled: Engine, most: int, search_s: float | None) -> None:
    model, taken = bundled.model, []
    reader, sources = InferenceNetwork(model.network), Sources(None, True, model.trigrams)
    for passes in (most, 100):
        visible = encode_visible(model.tokenizer, ("x = [", "]\n"))
        session = Session(model.network)
        limits = Limits(20, True, allow_empty=False)
        until = None if search_s is None else time.perf_counter() + search_s
        decoder = CheckedDecoder(model.tokenizer, Healing(model.tokenizer), limits, visible, None, sources, None, 8, until)
        with torch.inference_mode():
            run_alone(reader, session.encode(visible, leave=8))
            base = len(session.tokens)
            rows = Continuation(reader, session.cache, base)
            run_alone(reader, decoder.run(rows, visible[base:], b"", WAYS_OUT, Deadline(passes=passes)))
        taken.append(rows.passes)
    assert taken[0] <= most < taken[1]


@pytest.mark.parametrize("start", range(800, 6800, 750))
@pytest.mark.parametrize("goes_on", [False, True])
def test_what_stands_behind_is_as_likely_as_when_everything_is_read_again(bundled: Engine, start: int, goes_on: bool) -> None:
    model, tokenizer = bundled.model, bundled.model.tokenizer
    prefix, owed = split_partial_word(SOURCE[:start])
    end = SOURCE.index("\n", start) - 4 * goes_on
    behind = SOURCE[end:]
    visible = encode_visible(tokenizer, (prefix, behind), budget=300)
    limits = Limits(20, True, allow_empty=False)
    session = Session(model.network)
    reader = InferenceNetwork(model.network)
    sources = Sources(None, True, model.trigrams)
    decoder = CheckedDecoder(tokenizer, Healing(tokenizer), limits, visible, None, sources, None, 6)
    with torch.inference_mode():
        run_alone(reader, session.encode(visible, leave=8))
        base = len(session.tokens)
        rows = Continuation(reader, session.cache, base)
        chains = run_alone(
            reader, decoder.run(rows, visible[base:], owed.encode(), 1, Deadline(), wanted=2, rivals=Rivals(2, 3.0))
        )
        chains = [chain for chain in chains if chain.complete]
        texts = [tokenizer.decode_bytes(chain.tokens[:-1]) for chain in chains]
        shorter = [text[: max(len(owed.encode()), len(text) - 1)] for text in texts]  # in the middle of a token
        found = run_alone(reader, decoder.look_behind(rows, chains + chains, texts + shorter, behind))
    assert len(chains) > 1
    for chain, text, likely in zip(chains + chains, texts + shorter, found, strict=True):
        kept = 0
        while len(tokenizer.decode_bytes(chain.tokens[: kept + 1])) <= len(text) and kept + 1 < len(chain.tokens):
            kept += 1
        rest = text[len(tokenizer.decode_bytes(chain.tokens[:kept])) :].decode()
        tail = tokenizer.encode(rest + behind)
        inside = next(n for n in range(len(tail) + 1) if len(tokenizer.decode_bytes(tail[: n + 1])) > len(rest.encode()))
        written, expected = [*visible, *chain.tokens[:kept]], 0.0
        for token in tail[: inside + BEHIND_TOKENS]:
            expected += float(torch.log_softmax(next_logits(model.network, written), -1)[token])
            written.append(token)
        end_of_text = len(chain.scores) - (not goes_on)
        assert likely == pytest.approx(expected - sum(chain.scores[kept:end_of_text]), abs=0.02 * len(tail[:20]))


@pytest.mark.parametrize(
    ("prefix", "right", "text"),
    [
        ("def read(path):\n    with open(", ", 'rb') as file:\n        return file.read()\n", "path"),
        ("import os\n\n\ndef load(folder, name):\n    path = os.path.join(", " + '.txt')\n", "folder, name"),
    ],
)
def test_within_a_line_a_leading_part_is_enough_where_the_line_goes_on_behind_it(
    bundled: Engine, prefix: str, right: str, text: str
) -> None:
    """Both lines are likelier with something else in them, at whose end they do not go on as they do here."""
    assert bundled.infill(InfillRequest((prefix, right), single_line=True)).candidates[0].text == text
    greedy = bundled.infill(InfillRequest((prefix, right), single_line=True, branches=0)).candidates[0].text
    assert greedy != text


def test_a_method_ranks_higher_where_the_body_behind_it_follows_from_its_name(bundled: Engine) -> None:
    opening = "    def open(self):\n        self.is_open = True\n\n    def "
    before = "class Door:\n    def __init__(self):\n        self.is_open = False\n\n" + opening
    ranks: dict[str, list[str]] = {}
    for body in ("        self.is_open = False\n", "        return self.is_open\n"):
        request = InfillRequest((before, "\n" + body), single_line=True, candidates=4, allow_empty=False)
        ranks[body] = [candidate.text for candidate in bundled.infill(request).candidates]
    closing, asking = ranks.values()
    assert closing.index("close(self):") < asking.index("close(self):")


def test_what_goes_round_in_circles_is_given_up(tokenizer: Tokenizer) -> None:
    limits = Limits(64, True)
    assert limits.gives_up([5, 6, 7] * 6)
    assert limits.gives_up([1, 2] + [9] * 16)
    assert not limits.gives_up([5, 6] * 4)  # [0, 0, 0, 0] is something people write
    assert not limits.gives_up(list(range(40)))
    assert limits.gives_up(list(range(64)))


def test_a_line_that_would_not_end_gives_way_to_one_that_does(bundled: Engine) -> None:
    places = [
        ("import os\n\n\ndef f(path):\n    return os.path.", "\n"),
        ("x = [", "]\n"),
        ("import os\n\npath = os.path.", "\n"),
    ]
    for parts in places:
        for max_tokens in (8, 16, 64):
            request = InfillRequest(parts, single_line=True, allow_empty=False, max_tokens=max_tokens)
            several = bundled.infill(replace(request, candidates=WAYS_OUT)).candidates
            assert bool(bundled.infill(request).candidates) == bool(several)
    endless = InfillRequest(("assert ", "\n"), single_line=True, allow_empty=False, max_tokens=8)
    assert not bundled.infill(replace(endless, passes=64)).candidates  # with so many and no more, nothing else is tried
    assert bundled.infill(endless).candidates


def test_several_holes_are_filled_in_turn_each_seeing_the_text_of_those_before(bundled: Engine) -> None:
    parts = ("def f(a, b):\n    total = ", "\n    rest = ", "\n    return ", "\n")
    options = {"single_line": True, "allow_empty": False}
    whole = bundled.infill(InfillRequest(parts, **options)).candidates[0]
    assert len(whole.texts) == 3
    rest = parts
    for text in whole.texts:
        assert bundled.infill(InfillRequest(rest, **options)).candidates[0].texts[0] == text != ""
        rest = (rest[0] + text + rest[1], *rest[2:])


def test_healing_writes_the_partial_word_again(bundled: Engine) -> None:
    limits = Limits(12, True)
    parts = ("import os\n\n\ndef f():\n   ", "\n")
    tokens, _, expected, _ = checked_and_greedy(bundled, parts, limits, b" retu", Sources(table=bundled.model.trigrams))
    assert tokens == expected
    assert bundled.model.tokenizer.decode_bytes(tokens).startswith(b" retu")


@pytest.mark.parametrize("gamma", [0.0, 0.3, 1e6])
def test_unchecked_fills_every_slot_with_at_least_one_commit_a_step(random_engine: Engine, gamma: float) -> None:
    network, tokenizer = random_engine.model.network, random_engine.model.tokenizer
    visible = encode_visible(tokenizer, ("a = ", "\nb = ", "\n"))
    session = Session(network)
    seen: list[list[list[int]]] = []
    with torch.inference_mode():
        reader = InferenceNetwork(network)
        run_alone(reader, session.encode(visible))
        rows = Continuation(reader, session.cache, len(visible))
        passes = fill_unchecked(rows, tokenizer, Healing(tokenizer), [b"", b""], 20, gamma, Deadline(), seen.append, shortest=2)
        filled = run_alone(reader, passes)
    assert all(hole.complete and len(hole.tokens) >= 2 for hole in filled)
    open_slots = [sum(canvas.count(tokenizer.mask) for canvas in step) for step in seen]
    assert open_slots == sorted(set(open_slots), reverse=True)
    assert open_slots[-1] == 0
    if gamma == 1e6:
        assert rows.passes == 1


@pytest.mark.parametrize("checked", [True, False], ids=["checked", "unchecked"])
def test_every_hole_goes_on_with_the_word_that_is_typed_before_it(bundled: Engine, checked: bool) -> None:
    parts = ("def area(width, height):\n    total = wid", "\n    retu", "\n")
    found = bundled.infill(InfillRequest(parts, single_line=True, allow_empty=False, checked=checked))
    assert all(found.candidates[0].texts)  # a text that does not spell the word again would be dropped


@pytest.mark.parametrize("passes", [2, 3, 5])
def test_with_few_passes_the_rest_is_written_unchecked(bundled: Engine, passes: int) -> None:
    for start in range(600, 4600, 400):
        request = InfillRequest(
            (SOURCE[:start], SOURCE[SOURCE.index("\n", start) :]), single_line=True, allow_empty=False, branches=0
        )
        whole, hurried = bundled.infill(request), bundled.infill(replace(request, passes=passes))
        assert hurried.steps <= passes
        if whole.steps < passes:  # nothing was left to hurry
            assert hurried.candidates[0].text == whole.candidates[0].text


@pytest.mark.parametrize("checked", [True, False], ids=["checked", "unchecked"])
def test_a_hole_on_a_line_that_may_not_stay_empty_gets_text_of_that_line(random_engine: Engine, checked: bool) -> None:
    for seed in range(8):
        at = 400 + 97 * seed
        request = InfillRequest((SOURCE[:at], SOURCE[at:]), single_line=True, allow_empty=False, checked=checked, candidates=3)
        for candidate in random_engine.infill(request).candidates:
            assert candidate.text
            assert "\n" not in candidate.text


def test_a_deadline_shortens_the_answer_and_never_cuts_a_line(bundled: Engine) -> None:
    parts = (SOURCE[:3000], SOURCE[3600:])
    whole = bundled.infill(InfillRequest(parts, max_tokens=60)).candidates
    for deadline in (1, 30, 100):
        answer = bundled.infill(InfillRequest(parts, max_tokens=60, deadline_ms=deadline))
        for candidate in answer.candidates:
            assert whole[0].text.startswith(candidate.text)
            assert candidate.text == whole[0].text or candidate.text.endswith("\n")
        assert answer.candidates or answer.reason


@pytest.mark.parametrize("single_line", [True, False], ids=["a line", "lines"])
def test_where_lines_need_not_be_whole_a_short_answer_is_the_beginning_of_a_long_one(bundled: Engine, single_line: bool) -> None:
    longer = 0
    for start in range(700, 6000, 600):
        request = InfillRequest(
            (SOURCE[:start], SOURCE[start + 300 :]), single_line=single_line, whole_lines=False, allow_empty=False, max_tokens=40
        )
        short, long = (bundled.infill(one).candidates for one in (replace(request, max_tokens=4), request))
        assert short[0].text
        if long and not short[0].whole:  # a longer one may go round in circles
            assert long[0].text.startswith(short[0].text)
            longer += 1
    assert longer > 3


def test_candidates_are_distinct_and_that_with_most_to_gain_is_first(bundled: Engine) -> None:
    parts = (SOURCE[:3000] + "    for ", "\n" + SOURCE[3600:])
    one = bundled.infill(InfillRequest(parts, single_line=True))
    four = bundled.infill(InfillRequest(parts, single_line=True, candidates=4))
    texts = [candidate.text for candidate in four.candidates]
    assert one.candidates[0].text in texts
    assert len(set(texts)) == len(texts) > 1
    right = [
        math.exp(candidate.score) * (1 + len(candidate.text)) for candidate in four.candidates[:-1]
    ]  # characters, in the mean
    assert right == sorted(right, reverse=True)


def test_what_stands_to_the_right_in_the_line_is_not_written_again_and_counts(bundled: Engine) -> None:
    right: dict[int, int] = {0: 0, 8: 0}
    for start in range(600, 9000, 200):
        line = SOURCE[start : SOURCE.index("\n", start)]
        if len(line.strip()) < 12 or len(set(line)) < 5:
            continue
        hidden, rest = line[: len(line) // 2], line[len(line) // 2 :]
        parts = (SOURCE[:start], SOURCE[start + len(hidden) :])
        for branches in right:
            found = bundled.infill(InfillRequest(parts, single_line=True, allow_empty=False, branches=branches)).candidates
            assert not any(candidate.text.endswith(rest) for candidate in found)
            right[branches] += any(candidate.text == hidden for candidate in found)
    assert right[8] > right[0] > 0


def test_of_several_texts_one_is_the_greedy_one(bundled: Engine) -> None:
    lines = 0
    for start in range(600, 4600, 400):
        request = InfillRequest((SOURCE[:start], SOURCE[SOURCE.index("\n", start) :]), single_line=True, allow_empty=False)
        [greedy] = bundled.infill(replace(request, branches=0)).candidates
        if re.search(r"(.{4,})\1$", greedy.text):
            continue  # it goes round in circles: given up, it is an answer only where there is no other
        lines += 1
        assert greedy.text in [candidate.text for candidate in bundled.infill(replace(request, candidates=3)).candidates]
    assert lines >= 7


def test_where_nothing_is_the_likeliest_nothing_is_suggested(bundled: Engine) -> None:
    finished = "def area(width, height):\n    return width * height"
    request = InfillRequest((finished, "\n\n\ndef volume(a, b, c):\n    return a * b * c\n"), single_line=True)
    assert bundled.infill(replace(request, branches=0)).candidates == ()
    assert bundled.infill(request).candidates == ()


@pytest.mark.parametrize("before", ["first = \nsecond = ", "x = ", "x =", "    ", "f(a, "])
@pytest.mark.parametrize("checked", [True, False])
def test_a_hole_that_must_not_be_empty_is_not_filled_with_blanks_that_were_there(
    bundled: Engine, before: str, checked: bool
) -> None:
    request = InfillRequest((before, "\n"), max_tokens=16, single_line=True, allow_empty=False, checked=checked)
    [candidate] = bundled.infill(request).candidates
    assert candidate.text
