"""One request on its way through the model: from parts of a text to the fillings of its holes.

Knows a request, a session, its deadline and both ways of decoding. Knows neither the other sessions nor whose turn it is: it
is a generator of passes, and somebody else reads for it.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import torch

from model.checkpoints.store import Model
from model.engine.projects import Projects
from model.engine.readers import reader_of
from model.engine.session import CHUNK, Session
from model.infilling.checked import BEHIND_TOKENS, DISAGREES, Chain, CheckedDecoder, Limits, Rivals, Sources
from model.infilling.confidence import leading_parts
from model.infilling.copies import LONGEST_MATCH, Copies, CopyGate
from model.infilling.deadline import Deadline, PassCosts
from model.infilling.drafts import MOST_NODES, PREVIOUS
from model.infilling.hindsight import Hindsight, Weighed
from model.infilling.layout import encode_visible
from model.infilling.ngrams import Elsewhere, OtherTexts
from model.infilling.passes import Continuation, Passes, Row
from model.infilling.repeats import FARTHER_AWAY, Repeats
from model.infilling.request import InfillRequest, Part
from model.infilling.seam import landmark, right_of, without_seam
from model.infilling.slots import Slots
from model.infilling.unchecked import fill_unchecked
from model.tokenization.healing import Healing, split_partial_word

Watch = Callable[[list[list[int]]], None]  # shown the tokens of each hole as they stand after a pass; the mask where none is
LEFT_TO_FIRST_PASS = 32  # new visible tokens that the first pass reads along with its drafts
WAY_OUT_PASSES = 6
WAYS_OUT = 4  # beginnings that are tried where the likeliest one leads to no end of the line
# Of the time that a request has: how long it is looked on once the greedy text is there. A slow machine would take all of it.
SEARCH_SHARE = 1 / 6
# Looked for beyond the likeliest texts, for what stands behind to decide: in a line that goes on it knows more than the network.
RIVALS, RIVALS_WITHIN_LINE, WITHIN_LINE_BREADTH = Rivals(2, 2.0), Rivals(7, 2.0 + DISAGREES), 2
PARTS_WITHIN_LINE = 4  # leading parts of the texts found that are weighed with them there
LEAST_PASSES = 4  # with fewer left, candidates are given up first
# Of the time that a request has, for a text within the line, where the hole may have more lines as well.
WITHIN_LINE_SHARE = 1 / 2


class Resources:
    """What all jobs of an engine share."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.network = reader_of(model.network)
        self.healing = Healing(model.tokenizer)
        self.costs = PassCosts()
        self.slots = Slots(self.costs)
        gate = model.card.copy_gate
        self.copy_gate = None if gate is None else CopyGate(gate)
        self.projects = Projects(model.tokenizer)

    def elsewhere(self, project: str, text: str) -> Elsewhere | None:
        """What may be copied from a project's other texts, if there are any and the model knows how far to trust them."""
        gate, index = self.model.card.project_gate, self.projects.index_of(project)
        return None if gate is None or index is None else Elsewhere(CopyGate(gate), OtherTexts(index, text))


@dataclass
class Filling:
    """What was written into the holes so far: tokens without `<eos>`, texts, log probabilities; and whether all are whole.

    `parts` are leading parts of the text of a checked hole, shortest first; none once several holes are filled. `cut` says
    that writing stopped before the line was whole, at the deadline or for want of confidence: only a part may be shown.
    `hurried` says that for want of time its end was written without a check, `broken_off` that it ends in the middle of a line.
    """

    tokens: list[list[int]]
    texts: list[str]
    scores: list[float]
    complete: bool
    parts: tuple[Part, ...] = ()
    cut: bool = False
    hurried: bool = False
    broken_off: bool = False
    fits: bool = False  # a line was written to its end, and ended in what stands to its right
    gain: float = 0.0  # nats: what stands around it says more than the scores know (`Hindsight`, `Repeats`, less `Limits.doubt`)

    @property
    def likely(self) -> float:
        """Log probability, with all that is known."""
        return min(0.0, sum(self.scores) + self.gain)

    @property
    def worth(self) -> float:
        """Log of the characters, and one more, that are right in the mean: in nats."""
        return self.likely + math.log1p(sum(map(len, self.texts)))


def _likeliest_parts(fillings: Sequence[Filling], count: int, others: Container[str]) -> list[tuple[int, Part]]:
    """Of all leading parts that are none of these other texts, those most of which is right in the mean, and whose they are."""
    found: dict[str, tuple[int, Part]] = {}
    for number, filling in enumerate(fillings):
        for part in filling.parts:
            if part.text not in others and (part.text not in found or part.score > found[part.text][1].score):
                found[part.text] = number, part
    return sorted(found.values(), key=lambda one: -(one[1].score + math.log1p(len(one[1].text))))[:count]


def _best_first(filling: Filling) -> tuple[bool, float]:
    return not filling.complete, -filling.worth


@dataclass
class Work:
    """What a job took. Seconds are those of the clock, other requests' passes included."""

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(("context", "prefill", "denoise"), 0.0))
    visible: int = 0  # tokens
    encoded: int = 0  # visible tokens that were not in the session's cache
    steps: int = 0  # passes that drafted or checked something
    forward_passes: int = 0
    written: int = 0  # tokens
    drafted: Counter[str] = field(default_factory=Counter)
    accepted: Counter[str] = field(default_factory=Counter)

    def add(self, other: Work) -> None:
        for part, seconds in other.seconds.items():
            self.seconds[part] += seconds
        self.visible += other.visible
        self.encoded += other.encoded
        self.steps += other.steps
        self.forward_passes += other.forward_passes
        self.written += other.written
        self.drafted += other.drafted
        self.accepted += other.accepted


class Job:
    def __init__(
        self, resources: Resources, session: Session, request: InfillRequest, deadline: Deadline, watch: Watch | None = None
    ) -> None:
        self._resources, self._model = resources, resources.model
        self._session, self._request, self._deadline, self._watch = session, request, deadline, watch
        self.work = Work()
        owed = "" if request.whole_lines else split_partial_word(request.parts[0])[1]
        self._most_tokens = request.max_tokens + len(self._model.tokenizer.encode(owed))  # what is spelled again does not count

    def run(self) -> Passes[list[Filling]]:
        """Fillings of all holes, the greedy one first; or the given ones, in their order."""
        if self._request.given:
            return (yield from self._given())
        if not self._request.checked:
            return [(yield from self._unchecked())]
        if self._may_end_within_line():
            fillings = yield from self._within_line()
            if any(filling.fits for filling in fillings):
                return fillings
        return (yield from self._checked())

    def _may_end_within_line(self) -> bool:
        """Whether there is text on both sides of the only hole in its line, and nobody says how many lines it has."""
        request = self._request
        if len(request.parts) != 2 or request.single_line or request.stop_after_line:
            return False
        left = request.parts[0].rpartition("\n")[2].strip()
        return bool(left and right_of(request.parts[1])) and request.passes is None

    def _within_line(self) -> Passes[list[Filling]]:
        """What is found if the text is held to have no line break; it has none if one fits to what stands to its right."""
        deadline, request = self._deadline, self._request
        if request.deadline_ms is not None:
            deadline = deadline.in_seconds(request.deadline_ms / 1000 * WITHIN_LINE_SHARE)
        line = Job(self._resources, self._session, replace(request, single_line=True, whole_lines=True), deadline, self._watch)
        fillings = yield from line.run()
        self.work.add(line.work)
        return fillings

    def _given(self) -> Passes[list[Filling]]:
        """How likely the given texts are, their ends included. One pass reads all of them, each behind the visible text alone."""
        prefix, owed = split_partial_word(self._request.parts[0])
        continuation, _, unread = yield from self._read_visible((prefix, self._request.parts[1]), LEFT_TO_FIRST_PASS)
        tokenizer = self._model.tokenizer
        texts = [[*tokenizer.encode(owed + text), tokenizer.eos] for text in self._request.given]
        stem = range(len(unread))
        rows = [Row(token, continuation.base + number, range(number + 1)) for number, token in enumerate(unread)]
        for tokens in texts:
            first = len(rows)
            for number, token in enumerate(tokens[:-1]):
                rows.append(Row(token, continuation.base + len(stem) + number, (*stem, *range(first, first + number + 1))))
        with self._timed("denoise"):
            reading = yield from continuation.read(rows, range(len(stem) - 1, len(rows)))
        self._session.adopt(unread)
        self._count(continuation, [])
        likely = torch.log_softmax(reading.logits, -1)
        found, first = [], 1
        for text, tokens in zip(self._request.given, texts, strict=True):
            last = first + len(tokens) - 1
            found.append(Filling([tokens[:-1]], [text], likely[[0, *range(first, last)], tokens].tolist(), True))
            first = last
        return found

    def _checked(self) -> Passes[list[Filling]]:
        """Hole by hole, each read as the first of those that are left: what stands in the earlier ones is text to it."""
        fillings = yield from self._first_hole(self._request.parts, self._request.candidates, [])
        if len(self._request.parts) > 2:
            fillings = sorted(fillings, key=_best_first)[: self._request.candidates]
        for filling in fillings:
            parts = self._request.parts
            for _ in range(len(parts) - 2):
                parts = (parts[0] + filling.texts[-1] + parts[1], *parts[2:])
                found = [] if self._deadline.is_over else (yield from self._first_hole(parts, 1, filling.tokens))
                after = min(found, key=_best_first) if found else Filling([[]], [""], [], False)
                filling.tokens += after.tokens
                filling.texts += after.texts
                filling.scores += after.scores
                filling.complete &= after.complete
                filling.cut |= after.cut
                filling.hurried |= after.hurried
                filling.broken_off |= after.broken_off
                filling.parts = ()
        return fillings

    def _first_hole(self, parts: tuple[str, ...], candidates: int, earlier: list[list[int]]) -> Passes[list[Filling]]:
        request, tokenizer, resources = self._request, self._model.tokenizer, self._resources
        breadth = (1 + candidates) / 2
        search_s = None if request.deadline_ms is None else request.deadline_ms / 1000 * SEARCH_SHARE * breadth
        search_until = None if search_s is None else time.perf_counter() + search_s
        prefix, owed = split_partial_word(parts[0])
        continuation, visible, unread = yield from self._read_visible((prefix, *parts[1:]), LEFT_TO_FIRST_PASS)
        one_line = request.single_line or request.stop_after_line
        ahead = None if one_line else landmark(parts[1])
        limits = Limits(
            self._most_tokens,
            request.single_line,
            request.stop_after_line,
            request.allow_empty,
            self._least_score(),
            ahead.encode() if ahead else None,
            right_of(parts[1]).encode() if request.single_line and (len(parts) == 2 or "\n" in parts[1]) else b"",
        )
        sources, elsewhere = self._sources(continuation.keys), resources.elsewhere(*request.project)
        # Of texts of several lines the likeliest is too short; one that is to fill its tokens is not looked for by its end.
        searching = one_line and request.whole_lines and request.passes is None
        rivals, more = (RIVALS_WITHIN_LINE, WITHIN_LINE_BREADTH) if limits.right else (RIVALS, 1)
        branches = int(request.branches * breadth) * more if searching else 0
        beginnings, gate = 1 if branches else candidates, resources.copy_gate
        decoder = CheckedDecoder(tokenizer, resources.healing, limits, visible, gate, sources, elsewhere, branches, search_until)
        later = len(request.parts) - 2 - len(earlier)

        def watch(tokens: list[int]) -> None:
            if self._watch is not None:
                self._watch([*earlier, [t for t in tokens if t != tokenizer.eos], *([tokenizer.mask] for _ in range(later))])

        while beginnings > 1 and self._deadline.passes_left(0, beginnings * MOST_NODES, continuation.keys) < LEAST_PASSES:
            beginnings -= 1
        with self._timed("denoise"):
            chains = yield from decoder.run(
                continuation, unread, owed.encode(), beginnings, self._deadline, watch, candidates, rivals
            )
            self._session.adopt(unread)
            stuck = one_line and chains and not any(self._is_going_well(chain) for chain in chains)
            rows = WAYS_OUT * MOST_NODES
            hurried = self._deadline.within(WAY_OUT_PASSES)
            if stuck and request.passes is None and hurried.passes_left(0, rows, continuation.keys) == WAY_OUT_PASSES:
                # A small model can go round in circles; what begins otherwise often does not.
                again = Continuation(resources.network, self._session.cache, len(visible) - 1)
                chains = yield from decoder.run(again, visible[-1:], owed.encode(), WAYS_OUT, hurried, watch)
                chains = sorted(chains, key=lambda chain: not chain.complete)[:candidates]
                continuation.passes += again.passes
                for chain in chains:
                    chain.hurried = False  # not for want of time: it is what there is
            fillings = [self._filling(chain, owed, parts[1], limits.doubt(tokenizer, chain.tokens)) for chain in chains]
            if branches and not stuck:
                shorter = PARTS_WITHIN_LINE if limits.right else 0
                fillings += yield from self._look_behind(decoder, continuation, chains, fillings, owed, parts[1], rivals, shorter)
            if one_line:
                repeats = Repeats(parts[0], "".join(parts[1:]), partial(self._stands_in, elsewhere))
                for filling in fillings:
                    filling.gain += repeats.gain(filling.texts[0]) if filling.complete else 0.0
        self._count(continuation, chains)
        if chains:
            self._session.written = [*visible[-1 - LONGEST_MATCH : -1], *chains[0].tokens]
        return fillings

    def _look_behind(
        self,
        decoder: CheckedDecoder,
        continuation: Continuation,
        chains: Sequence[Chain],
        fillings: Sequence[Filling],
        owed: str,
        behind: str,
        rivals: Rivals,
        shorter: int,
    ) -> Passes[list[Filling]]:
        """One more pass, if there is time, and something to choose from: what stands behind tells the likeliest texts apart.

        With them so many `shorter` ones, leading parts of what was written, its result: behind one of them the line may go
        on as it stands there.
        """
        best: dict[str, int] = {}
        for number in sorted(range(len(chains)), key=lambda number: -fillings[number].worth):
            if chains[number].complete and not chains[number].hurried and len(best) < self._request.candidates + rivals.count:
                best.setdefault(fillings[number].texts[0], number)
        cuts = _likeliest_parts(fillings, shorter, best)
        numbers = [*best.values(), *(number for number, _ in cuts)]
        rows = len(numbers) * (BEHIND_TOKENS + 1)
        if len(numbers) < 2 or not behind or not self._deadline.passes_left(0, rows, continuation.keys):
            return []
        texts = [*best, *(part.text for _, part in cuts)]
        spelled = [(owed + text).encode() for text in texts]
        follows = yield from decoder.look_behind(continuation, [chains[number] for number in numbers], spelled, behind)
        written = [sum(chains[number].scores) for number in numbers]
        # That the text ends at a part is as doubtful as that the line does not go on as it stands there.
        before = [*written[: len(best)], *(part.score - DISAGREES for _, part in cuts)]
        hindsight = Hindsight(
            [
                Weighed(text, score, whole + behind_it - score)
                for text, score, whole, behind_it in zip(texts, before, written, follows, strict=True)
            ]
        )
        found = [
            Filling(
                [list(self._model.tokenizer.encode(owed + part.text))],
                [part.text],
                [part.score - DISAGREES],
                True,
                tuple(one for one in fillings[number].parts if len(one.text) < len(part.text)),
                gain=hindsight.gain(part.text),
            )
            for number, part in cuts
        ]
        for filling in fillings:
            filling.gain = hindsight.gain(filling.texts[0]) if filling.texts[0] in best else filling.gain
        for filling in [*fillings, *found]:
            filling.parts = tuple(Part(part.text, hindsight.of_part(part.text, part.score)) for part in filling.parts)
        return found

    def _stands_in(self, elsewhere: Elsewhere | None, line: str) -> bool:
        tokens, breaks = self._model.tokenizer.encode(line), self._resources.healing.line_breaks
        return elsewhere is not None and elsewhere.texts.have_line(tokens, breaks)

    def _is_going_well(self, chain: Chain) -> bool:
        return chain.complete or chain.growing or chain.unwanted or self._is_broken_off(chain.tokens, chain.complete)

    def _least_score(self) -> float:
        calibration, request = self._model.calibration, self._request
        if calibration is None or request.candidates > 1 or len(request.parts) > 2:
            return float("-inf")
        return calibration.least_score(request.min_confidence) - FARTHER_AWAY  # what a line may gain once it is whole

    def _sources(self, keys: int) -> Sources:
        """Who proposes: the visible text, the last answer, the table, and a canvas where it pays."""
        if not self._request.drafts:
            return Sources(copies=False)
        resources = self._resources
        written = self._session.written
        texts = ((PREVIOUS, Copies(written, self._model.tokenizer.ordinary)),) if written else ()
        return Sources(
            resources.slots,
            table=self._model.trigrams,
            texts=texts,
            trust=self._session.trust,
            least_chance=resources.costs.least_chance(keys),
        )

    def _filling(self, chain: Chain, owed: str, behind: str, doubt: float) -> Filling:
        tokens = [token for token in chain.tokens if token != self._model.tokenizer.eos]
        leading = list(leading_parts(self._model.tokenizer, tokens, chain.scores, owed.encode()))
        one_line = self._request.single_line or self._request.stop_after_line
        broken_off = self._is_broken_off(tokens, chain.complete)
        cut = not broken_off and (chain.unwanted or (chain.growing and one_line))
        text = leading[-1][0] if cut and leading else self._text(tokens, chain.complete, owed, behind)
        shorter = tuple(Part(part, score) for part, score in leading if text.startswith(part))
        hurried = chain.hurried and self._request.passes is None
        fits = chain.complete and not chain.hurried and not doubt
        return Filling([tokens], [text], chain.scores, chain.complete, shorter, cut, hurried, broken_off, fits, -doubt)

    def _unchecked(self) -> Passes[Filling]:
        request = self._request
        cuts = [split_partial_word(part) for part in request.parts[:-1]]
        continuation, _, _ = yield from self._read_visible((*(part for part, _ in cuts), request.parts[-1]), 0)
        with self._timed("denoise"):
            holes = yield from fill_unchecked(
                continuation,
                self._model.tokenizer,
                self._resources.healing,
                [owed.encode() for _, owed in cuts],
                request.max_tokens,
                request.gamma,
                self._deadline,
                self._watch,
                0 if request.allow_empty else 1,
                request.single_line,
            )
        self._count(continuation, [])
        self.work.written += sum(len(hole.tokens) for hole in holes)
        return Filling(
            [hole.tokens for hole in holes],
            [
                self._text(hole.tokens, hole.complete, owed, behind)
                for hole, (_, owed), behind in zip(holes, cuts, request.parts[1:], strict=True)
            ],
            [score for hole in holes for score in hole.scores],
            all(hole.complete for hole in holes),
        )

    def _read_visible(self, parts: tuple[str, ...], leave: int) -> Passes[tuple[Continuation, list[int], list[int]]]:
        """What continues the visible text, its tokens, and those of them that the continuation is to read first."""
        with self._timed("context"):
            visible = encode_visible(self._model.tokenizer, parts, self._request.other_files, self._request.context_tokens)
        with self._timed("prefill"):
            encoded = yield from self._session.encode(visible, leave)
        self.work.forward_passes += -(-encoded // CHUNK)
        base = len(self._session.tokens)
        self.work.visible += len(visible)
        self.work.encoded += encoded + len(visible) - base
        return Continuation(self._resources.network, self._session.cache, base), visible, visible[base:]

    def _count(self, continuation: Continuation, chains: list[Chain]) -> None:
        self.work.forward_passes += continuation.passes
        self.work.steps += continuation.passes
        for chain in chains:
            self.work.written += len(chain.tokens)
            self.work.drafted += chain.drafted
            self.work.accepted += chain.accepted

    def _text(self, tokens: list[int], complete: bool, owed: str, behind: str) -> str:
        """Text of one hole without what healing wrote again, nor what stands `behind` it; never a cut-off line."""
        raw = self._model.tokenizer.decode_bytes(tokens)
        if not raw.startswith(owed.encode()):
            return ""
        text = raw[len(owed.encode()) :].decode("utf-8", "replace")
        if self._is_broken_off(tokens, complete):
            return text.rstrip("\ufffd")  # half a character at the end
        if self._request.stop_after_line and text.strip():
            lead = len(text) - len(text.lstrip("\n"))
            line, found, _ = text[lead:].partition("\n")
            return text[:lead] + line + found if complete or found else ""
        if self._request.single_line:
            line, found, _ = text.partition("\n")
            return without_seam(line, right_of(behind)) if complete or found else ""
        return without_seam(text, behind) if complete else text[: text.rfind("\n") + 1]

    def _is_broken_off(self, tokens: Sequence[int], complete: bool) -> bool:
        """Whether a text is to be returned though it ends in the middle."""
        return not complete and not self._request.whole_lines and len(tokens) >= self._most_tokens

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.work.seconds[part] += time.perf_counter() - start
