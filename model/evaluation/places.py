"""Places in real code where a model goes on writing for as long as is asked, so that everyone who is timed writes as much.

Knows code, cursors and greedy decoding. Knows nobody who is measured.
"""

from __future__ import annotations

import sysconfig
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from model.architecture.inference import InferenceNetwork
from model.architecture.rows import RowCache
from model.checkpoints.store import Model
from model.evaluation.cases import read_code
from model.evaluation.rivals.canvas import read_text
from model.evaluation.rivals.rival import Prompt
from model.infilling.checked import Limits
from model.infilling.layout import encode_visible
from model.infilling.passes import text_segment
from model.infilling.seam import landmark
from model.tokenization.healing import split_partial_word
from model.training.documents import Document

FULL = 0.8  # a prompt has at least this share of the tokens it may have: its far parts are whole blocks of lines
HIDDEN_LINES = (8, 40)  # a model writes longer where more is missing
TRIES = 300  # drawn cursors for each place that is wanted


def standard_library() -> list[Document]:
    """The modules that come with this Python, without packages' folders: code that is everywhere."""
    documents = []
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        documents.append(Document("stdlib", path.name, path.read_text("utf-8", "replace")))
    return documents


def find_places(
    model: Model, data: Path | None, contexts: Sequence[int], fills: Sequence[int], count: int, seed: int = 0
) -> dict[int, list[dict[int, Prompt]]]:
    """For each length of fill, `count` places, each a prompt for each context: the same cursors, so that contexts compare.

    The model's greedy text goes on, without an end, a circle or the text behind the hole, for that many tokens, and has a whole
    line by then. Raises ValueError where the code has too few of them.
    """
    documents = standard_library() if data is None else read_code(data)
    least = 4 * max(contexts)  # characters; a file with fewer hardly fills the context
    documents = [document for document in documents if len(document.text) > least]
    rng = np.random.default_rng(seed)
    found: dict[int, list[dict[int, Prompt]]] = {fill: [] for fill in fills}
    for _ in range(TRIES * count if documents else 0):
        wanted = [fill for fill in fills if len(found[fill]) < count]
        if not wanted:
            break
        place = _draw(rng, documents[int(rng.integers(len(documents)))])
        prompts = _prompts(model, place, contexts, min(wanted), max(wanted)) if place else {}
        for fill in wanted if prompts else ():
            if all(_goes_on(model, prompt, fill) for prompt in prompts.values()):
                found[fill].append(prompts)
    for fill, places in found.items():
        if len(places) < count:
            raise ValueError(
                f"the code has {len(places)} of {count} places with {max(contexts)} tokens around them where the model writes"
                f" {fill} tokens: give other code (--data), or ask for fewer rounds, less context or shorter fills"
            )
    return found


def _draw(rng: np.random.Generator, document: Document) -> tuple[str, str, str] | None:
    """Prefix, hidden lines and suffix; the prefix ends in a place where no token is cut, the suffix begins with a line's end."""
    starts = [0, *(number + 1 for number, character in enumerate(document.text) if character == "\n")]
    first = int(rng.integers(1, len(starts)))
    last = min(len(starts) - 1, first + int(rng.integers(*HIDDEN_LINES)))
    end = starts[last] - 1
    line = document.text[starts[first] : starts[min(first + 1, len(starts) - 1)]]
    cuts = [at for at in range(len(line)) if not split_partial_word(document.text[: starts[first] + at])[1]]
    if not line.strip() or not cuts:
        return None
    cut = starts[first] + cuts[int(rng.integers(len(cuts)))]
    return document.text[:cut], document.text[cut:end], document.text[end:]


def _prompts(model: Model, place: tuple[str, str, str], contexts: Sequence[int], least: int, most: int) -> dict[int, Prompt]:
    """Nothing where a context is not full or the model has less to say than `least` tokens."""
    prefix, hidden, suffix = place
    prompts = {}
    for context in sorted(contexts):
        visible = encode_visible(model.tokenizer, (prefix, suffix), budget=context)
        if len(visible) < FULL * context:
            return {}
        before = encode_visible(model.tokenizer, (split_partial_word(prefix[:-1])[0], suffix), budget=context)
        ahead = landmark(suffix)
        limits = Limits(most, False, landmark=ahead.encode() if ahead else None)
        greedy = greedy_text(model, visible, limits)
        if len(greedy) < least:
            return {}
        prompts[context] = Prompt(prefix, suffix, hidden, context, visible, before, greedy)
    return prompts


def _goes_on(model: Model, prompt: Prompt, fill: int) -> bool:
    text = model.tokenizer.decode(prompt.greedy[:fill])
    return len(prompt.greedy) >= fill and bool(text[: text.rfind("\n") + 1].strip())


@torch.inference_mode()
def greedy_text(model: Model, visible: Sequence[int], limits: Limits) -> list[int]:
    """What the model writes one token at a time, up to where it ends by itself; its end is left out."""
    network, tokenizer = InferenceNetwork(model.network), model.tokenizer
    cache = RowCache(model.network)
    cache.reserve(len(visible) + limits.max_tokens)
    read_text(network, cache, visible[:-1])
    written: list[int] = []
    last, at = visible[-1], len(visible) - 1
    while True:
        [reading] = network.read([replace(text_segment([last], cache, at), asked=[0])])
        logits = reading.logits[0]
        token = int(logits[: tokenizer.ordinary].argmax())
        if logits[tokenizer.eos] > logits[token]:
            return written
        at += 1
        written.append(token)
        last = token
        if len(written) == limits.max_tokens:
            return written
        if limits.goes_too_far(tokenizer, written) or limits.gives_up(written):
            return written[:-1]
