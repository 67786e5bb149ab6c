"""How likely given texts are in a hole: what the network says token by token, whatever else is given and whatever is cached."""

from __future__ import annotations

import pytest
import torch

from model.architecture.rows import causal_bias
from model.engine.engine import Engine
from model.infilling.layout import encode_visible
from model.infilling.request import InfillRequest

PARTS = ("def area(width, height):\n    return ", "\n")
TEXTS = ("width * height", "", "width", "größe + 1")


def recomputed(engine: Engine, prefix: str, owed: str, text: str) -> float:
    tokenizer, network = engine.model.tokenizer, engine.model.network
    visible = encode_visible(tokenizer, (prefix, PARTS[1]))
    written = [*tokenizer.encode(owed + text), tokenizer.eos]
    tokens = torch.tensor([[*visible, *written[:-1]]])
    count = tokens.shape[1]
    with torch.inference_mode():
        hidden = network(network.embed(tokens), torch.arange(count)[None], causal_bias(count, network.canvas))
        likely = torch.log_softmax(network.logits(hidden[0, len(visible) - 1 :]), -1)
    return float(likely[range(len(written)), written].sum())


def test_they_are_as_likely_as_the_network_says_in_the_order_in_which_they_are_given(random_engine: Engine) -> None:
    found = random_engine.infill(InfillRequest(PARTS, given=TEXTS)).candidates
    assert tuple(candidate.text for candidate in found) == TEXTS
    for candidate in found:
        # The blank before the hole belongs to its first word, and is read with it.
        expected = recomputed(random_engine, PARTS[0][:-1], " ", candidate.text)
        assert candidate.score == pytest.approx(expected, abs=1e-8)


def test_neither_their_company_nor_the_cache_matters(random_engine: Engine) -> None:
    alone = [random_engine.infill(InfillRequest(PARTS, given=(text,))).candidates[0].score for text in TEXTS]
    random_engine.infill(InfillRequest(PARTS, max_tokens=4), "given")
    for texts, scores in ((TEXTS, alone), (TEXTS[::-1], alone[::-1])):
        found = random_engine.infill(InfillRequest(PARTS, given=texts), "given").candidates
        assert [candidate.score for candidate in found] == pytest.approx(scores, abs=1e-8)
    assert random_engine.infill(InfillRequest(PARTS, max_tokens=4), "given") is not None


def test_what_is_right_is_likelier_than_what_is_not(bundled: Engine) -> None:
    right, wrong = bundled.infill(InfillRequest(PARTS, given=("width * height", "import os"))).candidates
    assert right.score > wrong.score


def test_one_hole_is_all_that_texts_can_be_given_for(random_engine: Engine) -> None:
    with pytest.raises(ValueError, match="one hole only"):
        random_engine.infill(InfillRequest(("a", "b", "c"), given=("x",)))
