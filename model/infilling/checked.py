"""Checked decoding: drafts are re-read causally, and the longest run the model itself would have written is kept.

Knows the tokens of one hole, drafts and acceptance. Knows no text cache's upkeep; whether there is time for a pass it asks the
deadline. What it writes is, token for token, what decoding one token at a time writes (tested against `reference.py`); drafts
only change how many passes it takes. Speculative sampling's greedy case (Leviathan et al. 2023; Stern et al. 2018), with
the model as one of its own drafters (TiDAR, 2025).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from model.checkpoints.trigrams import TrigramTable
from model.infilling.copies import Copies, CopyGate, Text, Trail
from model.infilling.deadline import Deadline
from model.infilling.drafts import CANVAS, COPY, ELSEWHERE, LEAST_CHANCE, MOST_NODES, SIBLING, Drafter, DraftTree, Trails, Trust
from model.infilling.ngrams import Elsewhere
from model.infilling.passes import Continuation, Passes, Row
from model.infilling.search import ALTERNATIVES, Frontier, NoSibling, Sibling
from model.infilling.slots import SLOTS, Slots
from model.tokenization.healing import Healing
from model.tokenization.tokenizer import Tokenizer

LAST_SLOTS = 16  # of the canvas that ends a hole without a check
# Nats: of parts of lines of held-out packages, 12.5, 16.5 and 18.5 % were right with 0, 2 and 4 (200 places).
DISAGREES = 4.0
BRANCH_NODES = 6  # of a branch's draft: a handful of branches share a pass
BEHIND_TOKENS = 8  # of what stands behind a hole, read again behind each text: more of them tell texts apart no better
LONGEST_PERIOD, LEAST_REPEATED = 8, 16  # tokens; so many that repeat a period at least three times are a circle


@dataclass(frozen=True)
class Limits:
    """Where the text of a hole ends at the latest."""

    max_tokens: int
    single_line: bool  # the first line break ends the hole
    stop_after_line: bool = False  # the first one behind text does
    allow_empty: bool = True  # False: the hole may not end before it began
    least_score: float = float("-inf")  # log probability below which nobody wants the text
    landmark: bytes | None = None  # what stands behind the hole: a text that comes to it has gone too far
    right: bytes = b""  # what stands to the right in the line: a line that is written to its end should end in it

    def ends_line(self, tokenizer: Tokenizer, written: list[int]) -> bool:
        """Whether the last of the tokens written so far ends the hole with a line break."""
        if not (self.single_line or self.stop_after_line) or b"\n" not in tokenizer.bytes_of(written[-1]):
            return False
        return self.single_line or bool(tokenizer.decode_bytes(written).strip())

    def goes_too_far(self, tokenizer: Tokenizer, written: list[int]) -> bool:
        """Whether the last of the tokens written so far completes what stands behind the hole."""
        if self.landmark is None or b"\n" not in tokenizer.bytes_of(written[-1]):
            return False
        return self.landmark in tokenizer.decode_bytes(written)

    def doubt(self, tokenizer: Tokenizer, written: list[int]) -> float:
        """Nats by which a whole text is less likely than the network says, which hardly sees how the line goes on."""
        line = tokenizer.decode_bytes(written).partition(b"\n")[0]
        return 0.0 if line.endswith(self.right) else DISAGREES

    def gives_up(self, written: list[int]) -> bool:
        """Whether the text has used up its tokens or goes round in circles, as small models do."""
        if len(written) >= self.max_tokens:
            return True
        for period in range(1, LONGEST_PERIOD + 1):
            size = max(LEAST_REPEATED, 3 * period)
            if len(written) >= size and written[-size:-period] == written[-size + period :]:
                return True
        return False


@dataclass(frozen=True)
class Sources:
    """Who may propose tokens. They change the number of passes, not what is written."""

    canvas: Slots | None = None  # decides in which passes one drafts; None: in none
    copies: bool = True
    table: TrigramTable | None = None
    texts: tuple[tuple[str, Text], ...] = ()  # looked up in beside the visible text, each with the name of its source
    trust: Trust = field(default_factory=Trust)
    least_chance: float = LEAST_CHANCE


@dataclass(frozen=True)
class Rivals:
    """Of texts that are less likely than the wanted ones so many are looked for, down to `reach` nats below the likeliest."""

    count: int
    reach: float


NO_RIVALS = Rivals(0, 0.0)


@dataclass
class Chain:
    """One candidate as it grows: `tokens`, `<eos>` included where the model wrote it, and their log probabilities."""

    owed: bytes
    # The visible text's first, then those of what stands elsewhere, if it counts, and of the sources' texts; a sibling's last.
    trails: Trails
    unread: list[int]  # tokens at its end that no pass has read: the newest one, at first the visible text's last ones
    tokens: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)  # continuation rows of what was read, drafts that were not kept left out
    draft: DraftTree = field(default_factory=DraftTree)
    drafted: Counter[str] = field(default_factory=Counter)  # tokens that were proposed and read, by who proposed them
    accepted: Counter[str] = field(default_factory=Counter)  # those of them that were kept
    bare: bool = True  # nothing is written yet but what is owed
    complete: bool = False  # it ended by itself: at `<eos>`, at the end of a line, or where the text behind the hole begins
    hurried: bool = False  # its end was written without a check
    unwanted: bool = False  # its log probability fell below what is wanted
    growing: bool = True  # neither complete nor given up
    stem: int = 0  # rows before that of its first token
    ways: list[_Way] = field(default_factory=list)  # where a branch could leave it; kept for a search alone
    most_nodes: int = MOST_NODES  # of its draft
    from_slots: int | None = None  # if slots had a say in its draft: tokens of theirs that were kept before


@dataclass(frozen=True)
class _Way:
    """A token that was not written at a place of a chain, and what was known there."""

    chain: Chain
    place: int
    token: int
    score: float
    trails: Trails
    owed: bytes
    bare: bool


@dataclass(frozen=True)
class _Reading:
    """What one pass found. `roots` are the rows of the chains' last tokens, `firsts` their numbers among the `logits`."""

    start: int  # number of the pass's row 0 in the continuation
    roots: list[int]
    firsts: list[int]
    logits: Tensor  # (asked rows, vocabulary): of each chain's last token and then of its drafts
    slots: Tensor  # (asked rows * slots behind each, width)
    behind: int  # slots behind each


class CheckedDecoder:
    """Fills one hole of a text whose tokens are `visible`; they end in the hole's mark."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        healing: Healing,
        limits: Limits,
        visible: Sequence[int],
        gate: CopyGate | None,
        sources: Sources,
        elsewhere: Elsewhere | None = None,
        branches: int = 0,
        search_until: float | None = None,
    ) -> None:
        """`branches`: so many other texts are tried at most in search of the likeliest one, until the moment `search_until`
        (seconds of `time.perf_counter`; None: as long as the deadline lets it).
        """
        self._tokenizer, self._healing, self._limits = tokenizer, healing, limits
        copies = Copies(visible[:-1], tokenizer.ordinary)
        self._ending, self._visible_end = copies.ending, visible[-1]
        self._next = Next(tokenizer, healing, limits, gate, elsewhere)
        others: tuple[tuple[str, Text], ...] = () if elsewhere is None else ((ELSEWHERE, elsewhere.texts),)
        siblings: tuple[tuple[str, Text], ...] = ((SIBLING, NoSibling()),) if branches else ()
        texts = ((COPY, copies), *others, *sources.texts, *siblings)
        silent = frozenset() if sources.copies else frozenset([COPY, ELSEWHERE])
        self._drafter = Drafter(texts, sources.table, sources.trust, sources.least_chance, silent)
        self._trails = tuple(text.trail(visible[:-1]) for _, text in texts)
        self._canvas = sources.canvas
        self._branches, self._search_until = branches, search_until

    def run(
        self,
        continuation: Continuation,
        unread: Sequence[int],
        owed: bytes,
        beginnings: int,
        deadline: Deadline,
        watch: Callable[[list[int]], None] | None = None,
        wanted: int = 1,
        rivals: Rivals = NO_RIVALS,
    ) -> Passes[list[Chain]]:
        """Chains for the `beginnings` likeliest first tokens, the greedy one first; then those that the search for the `wanted`
        likeliest texts and their `rivals` found.

        `unread` are the last visible tokens, the hole's mark included, which the continuation does not stand behind yet: the
        first pass reads them into its rows 0, 1, ... Of the passes that the deadline leaves, the last one writes what is left
        of the hole without a check; one pass there is in any case. `watch` is shown what the greedy chain has written after
        each.
        """
        chains = yield from self._first_pass(continuation, unread, owed, beginnings, deadline)
        while growing := [chain for chain in chains if chain.growing]:
            if watch is not None:
                watch(chains[0].tokens)
            rows = sum(len(chain.unread) + len(chain.draft.nodes) for chain in growing)
            left = deadline.passes_left(continuation.passes, rows, continuation.keys)
            if left == 0:
                break
            if left == 1:
                yield from self._finish(continuation, growing)
                break
            yield from self._step(continuation, growing)
        if watch is not None and chains:
            watch(chains[0].tokens)
        if self._branches:
            if self._search_until is not None:
                deadline = deadline.by(self._search_until)
            chains += yield from self._search(continuation, chains, wanted, rivals, deadline)
        return chains

    def _search(
        self, continuation: Continuation, chains: Sequence[Chain], wanted: int, rivals: Rivals, deadline: Deadline
    ) -> Passes[list[Chain]]:
        """Whole texts that may be likelier than these, while there is time: from where something else was likely, best first."""
        frontier: Frontier[_Way] = Frontier(wanted, self._limits.least_score, self._branches, rivals.count, rivals.reach)
        found: list[Chain] = []
        written = chains
        while True:
            for chain in written:
                for way in chain.ways:
                    frontier.add(sum(chain.scores[: way.place]) + way.score, way)
                if chain.complete:
                    doubt = self._limits.doubt(self._tokenizer, chain.tokens)
                    frontier.note(self._tokenizer.decode_bytes(chain.tokens), sum(chain.scores) - doubt)
            bar = frontier.bar
            written = [self._branch(way) for way in frontier.take()]
            if not written:
                return found
            while growing := [chain for chain in written if chain.growing and sum(chain.scores) > bar]:
                rows = sum(1 + len(chain.draft.nodes) for chain in growing)
                if not deadline.passes_left(continuation.passes, rows, continuation.keys):
                    break
                yield from self._step(continuation, growing)
            found += [chain for chain in written if chain.complete and sum(chain.scores) > bar]
            if growing:
                return found

    def look_behind(
        self, continuation: Continuation, chains: Sequence[Chain], texts: Sequence[bytes], behind: str
    ) -> Passes[list[float]]:
        """Log likelihood of what stands behind the hole, its first `BEHIND_TOKENS` tokens, given that this text of a chain that
        was read to its end stands in it. One pass.

        Where the line goes on, no text has its end in common with what stands there, and what a chain wrote behind its text
        is taken back.
        """
        goes_on = bool(behind.partition("\n")[0].strip())
        rows: list[Row] = []
        tails: list[tuple[int, Sequence[int], float]] = []
        for chain, text in zip(chains, texts, strict=True):
            kept, rest = self._spelled(chain, text)
            tail = self._tail(rest, behind)
            last = chain.stem + kept - 1  # the row before the tail's first
            first, start, sees = len(rows), continuation.base + last, tuple(chain.rows[:last])
            for number, token in enumerate([self._visible_end, *chain.tokens][kept : kept + 1] + list(tail[:-1])):
                sees = (*sees, continuation.rows + len(rows))
                rows.append(Row(token, start + number, sees))
            end = len(chain.scores) if goes_on else len(chain.scores) - 1
            tails.append((first, tail, sum(chain.scores[kept:end])))
        reading = yield from continuation.read(rows, range(len(rows)))
        likely = torch.log_softmax(reading.logits, -1)
        return [
            float(likely[range(first, first + len(tail)), list(tail)].sum()) - taken_back for first, tail, taken_back in tails
        ]

    def _spelled(self, chain: Chain, text: bytes) -> tuple[int, str]:
        """How many of a chain's tokens spell nothing but this text, and what of it they leave."""
        ends = [0]
        for token in chain.tokens:
            ends.append(ends[-1] + len(self._tokenizer.bytes_of(token)))
        kept = min(len(chain.tokens) - 1, max(number for number, end in enumerate(ends) if end <= len(text)))
        while True:
            try:
                return kept, text[ends[kept] :].decode()
            except UnicodeDecodeError:  # in the middle of a character
                kept -= 1

    def _tail(self, rest: str, behind: str) -> Sequence[int]:
        tokens = self._tokenizer.encode(rest + behind)
        size, owed = 0, len(rest.encode())
        for number, token in enumerate(tokens):
            size += len(self._tokenizer.bytes_of(token))
            if size > owed:
                return tokens[: number + BEHIND_TOKENS]
        return tokens

    def _branch(self, way: _Way) -> Chain:
        left = way.chain
        written = [token for token in left.tokens if token < self._tokenizer.ordinary]
        branch = Chain(
            way.owed,
            (*way.trails[:-1], Sibling(written, way.place)),
            [],
            left.tokens[: way.place],
            left.scores[: way.place],
            left.rows[: left.stem + way.place],
            bare=way.bare,
            stem=left.stem,
            most_nodes=BRANCH_NODES,
        )
        self._write(branch, way.score, way.token)
        if branch.growing:
            branch.draft = self._draft(branch, [])
        return branch

    def _first_pass(
        self, continuation: Continuation, unread: Sequence[int], owed: bytes, beginnings: int, deadline: Deadline
    ) -> Passes[list[Chain]]:
        chain = Chain(owed, self._trails, list(unread))
        hurried = deadline.passes_left(0, len(unread) + LAST_SLOTS, continuation.keys) <= 1
        if not hurried:
            chain.draft = self._draft(chain, [])
        reading = yield from self._read(continuation, [chain], LAST_SLOTS if hurried else None)
        root = reading.roots[0]
        best = torch.topk(self._next.scores(reading.logits[0], chain.trails, chain.owed, chain.bare), beginnings)
        read = [reading.start + row for row in range(root + 1)]
        others = []
        for score, token in zip(best.values.tolist()[1:], best.indices.tolist()[1:], strict=True):
            if score > float("-inf"):
                other = Chain(owed, self._trails, [], rows=list(read), stem=len(read))
                self._write(other, score, token)
                other.draft = self._draft(other, [])
                others.append(other)
        if best.values[0] == float("-inf"):
            return []
        chain.stem = len(read)
        if hurried:
            self._finish_from(continuation, reading, [chain])
        else:
            self._go_on(continuation, reading, 0, chain)
        return [chain, *others]

    def _write_likeliest(self, chain: Chain, logits: Tensor) -> None:
        if not self._branches:
            self._write(chain, *self._next.likeliest(logits, chain.trails, chain.owed, chain.bare))
            return
        best, *others = self._next.ranked(logits, chain.trails, chain.owed, chain.bare, ALTERNATIVES)
        place = len(chain.tokens)
        chain.ways += [
            _Way(chain, place, token, score, chain.trails, chain.owed, chain.bare)
            for score, token in others
            if score > float("-inf")
        ]
        self._write(chain, *best)

    def _write(self, chain: Chain, score: float, token: int) -> None:
        chain.tokens.append(token)
        chain.unread = [token]
        chain.scores.append(score)
        chain.bare = chain.bare and is_bare(self._tokenizer, token, chain.owed)
        chain.owed = self._healing.owed_after(chain.owed, token)
        chain.trails = tuple(trail.after(token) for trail in chain.trails)
        chain.complete = (
            token == self._tokenizer.eos
            or self._limits.ends_line(self._tokenizer, chain.tokens)
            or self._limits.goes_too_far(self._tokenizer, chain.tokens)
        )
        chain.unwanted = sum(chain.scores) < self._limits.least_score
        chain.growing = not (chain.complete or chain.unwanted or self._limits.gives_up(chain.tokens))

    def _step(self, continuation: Continuation, chains: list[Chain]) -> Passes[None]:
        """One pass for all chains: what they have not read, their drafts and the canvases behind those; then accepts."""
        reading = yield from self._read(continuation, chains)
        for number, chain in enumerate(chains):
            self._go_on(continuation, reading, number, chain)

    def _finish(self, continuation: Continuation, chains: list[Chain]) -> Passes[None]:
        """The last pass: behind the token that the check writes, what a canvas says is taken unread, up to its first end."""
        for chain in chains:
            chain.draft = DraftTree()
        reading = yield from self._read(continuation, chains, LAST_SLOTS)
        self._finish_from(continuation, reading, chains)

    def _finish_from(self, continuation: Continuation, reading: _Reading, chains: list[Chain]) -> None:
        logits = continuation.network.logits(reading.slots)
        for number, chain in enumerate(chains):
            self._go_on(continuation, reading, number, chain)
            chain.hurried = chain.growing
            for slot in range(number * LAST_SLOTS + 1, (number + 1) * LAST_SLOTS):
                if not chain.growing:
                    break
                self._write(chain, *self._next.likeliest(logits[slot], chain.trails, chain.owed, chain.bare))

    def _read(self, continuation: Continuation, chains: list[Chain], slots: int | None = None) -> Passes[_Reading]:
        """`slots`: so many behind each asked row; None: those of a drafting canvas, if they pay."""
        rows: list[Row] = []
        roots: list[int] = []
        firsts: list[int] = []
        asked: list[int] = []  # the rows that say what comes next: each chain's last token and its drafts
        for chain in chains:
            position, sees = continuation.base + len(chain.rows), tuple(chain.rows)
            for token in chain.unread:
                sees = (*sees, continuation.rows + len(rows))
                rows.append(Row(token, position, sees))
                position += 1
            root = len(rows) - 1
            for number, node in enumerate(chain.draft.nodes, 1):
                above = rows[root + 1 + node.parent]
                rows.append(Row(node.token, above.position + 1, (*above.sees, continuation.rows + root + number)))
            roots.append(root)
            firsts.append(len(asked))
            asked += range(root, root + 1 + len(chain.draft.nodes))
        slots_from = len(rows)
        if slots is None:
            pay = self._canvas is not None and self._canvas.pay(slots_from, len(asked), continuation.keys)
            slots = SLOTS if pay else 0
        for row in asked if slots else ():
            own = range(continuation.rows + len(rows), continuation.rows + len(rows) + slots)
            for offset in range(1, slots + 1):
                sees = (*rows[row].sees, *own)
                rows.append(Row(self._tokenizer.mask, rows[row].position + offset, sees, self._tokenizer.holes[0]))
        start = continuation.rows
        reading = yield from continuation.read(rows, asked)
        return _Reading(start, roots, firsts, reading.logits, reading.hidden[slots_from:], slots)

    def _go_on(self, continuation: Continuation, reading: _Reading, number: int, chain: Chain) -> None:
        """Keeps the drafted tokens that the check would have written, writes the one behind them, and drafts anew."""
        root, first = reading.roots[number], reading.firsts[number]
        chain.rows += [reading.start + root + row for row in range(1 - len(chain.unread), 0)]
        chain.drafted.update(node.source for node in chain.draft.nodes)
        node: int | None = -1
        last = -1
        before = len(chain.tokens)
        while node is not None:
            last = node
            chain.rows.append(reading.start + root + 1 + node)
            self._write_likeliest(chain, reading.logits[first + 1 + node])
            node = self._accepted(chain, node)
        drafted = self._drafted_by_slots(continuation, reading, first + 1 + last, chain, len(chain.tokens) - before)
        if chain.growing:
            chain.draft = self._draft(chain, drafted)

    def _drafted_by_slots(
        self, continuation: Continuation, reading: _Reading, row: int, chain: Chain, written: int
    ) -> list[tuple[int, float]]:
        """What the slots behind an asked row say, if a drafting canvas was read; what came of those before is learned from."""
        if self._canvas is None or reading.behind == LAST_SLOTS:
            return []
        self._canvas.wrote(written)
        if chain.from_slots is not None:
            self._canvas.learn(chain.accepted[CANVAS] - chain.from_slots)
            chain.from_slots = None
        if not reading.behind:
            return []
        if not chain.growing:
            self._canvas.learn(0)
            return []
        began = time.perf_counter()
        drafted = self._likeliest(continuation, reading.slots[row * SLOTS + 1 : (row + 1) * SLOTS])  # the first repeats the check
        self._canvas.took(time.perf_counter() - began)
        chain.from_slots = chain.accepted[CANVAS]
        return drafted

    def _accepted(self, chain: Chain, parent: int) -> int | None:
        """The draft's node behind this one that proposed what was written, if the chain goes on."""
        found = None
        for number, node in chain.draft.children(parent):
            kept = node.token == chain.tokens[-1]
            self._drafter.trust.learn(node, kept)
            if kept and chain.growing:
                chain.accepted[node.source] += 1
                found = number
        return found

    def _likeliest(self, continuation: Continuation, slots: Tensor) -> list[tuple[int, float]]:
        logits = continuation.network.logits(slots)
        logits[:, self._tokenizer.ordinary :] = float("-inf")
        values, tokens = torch.softmax(logits, -1).max(-1)
        return list(zip(tokens.tolist(), values.tolist(), strict=True))

    def _draft(self, chain: Chain, slots: list[tuple[int, float]]) -> DraftTree:
        ending = [*self._ending, *chain.tokens][-2:]
        most = min(chain.most_nodes, self._limits.max_tokens - len(chain.tokens) - 1)
        forbidden = self._healing.forbidden(chain.owed) if chain.owed else None
        return self._drafter.tree(ending, chain.trails, slots, most, forbidden)


def is_bare(tokenizer: Tokenizer, token: int, owed: bytes) -> bool:
    """Whether a token spells no more than what is owed, and so adds nothing to the hole's text."""
    return len(tokenizer.bytes_of(token)) <= len(owed)


@dataclass(frozen=True)
class Next:
    """What may come next in a hole, and how likely: the network's logits, without what can not stand there, copies mixed in."""

    tokenizer: Tokenizer
    healing: Healing
    limits: Limits
    gate: CopyGate | None
    elsewhere: Elsewhere | None = None

    def scores(self, logits: Tensor, trails: Trails, owed: bytes, at_start: bool) -> Tensor:
        """Log probabilities (vocabulary,).

        -inf for what can not stand here: marks, tokens that do not spell what is `owed`, an end `at_start` (before anything is
        written but what is owed) where the hole may not be empty. With a gate, what followed the longest match in the visible
        text is mixed in; then what did so elsewhere, if that counts. The first of the `trails` are those of these two.
        """
        found = self._written(logits)
        for gate, trail in self._gates(trails):
            found = gate.mixed(found, trail.followers())
        return self._fitting(found, owed, at_start) if owed or at_start else found

    def ranked(self, logits: Tensor, trails: Trails, owed: bytes, at_start: bool, count: int) -> list[tuple[float, int]]:
        """The greatest of these scores, and their tokens."""
        best = torch.topk(self.scores(logits, trails, owed, at_start), count)
        return list(zip(best.values.tolist(), best.indices.tolist(), strict=True))

    def likeliest(self, logits: Tensor, trails: Trails, owed: bytes, at_start: bool) -> tuple[float, int]:
        """The greatest of these scores, and its token."""
        gates = self._gates(trails)
        if gates and not owed and not at_start:  # the usual case, in which hardly any tensor is needed
            found = self._written(logits)
            for gate, trail in gates[:-1]:
                found = gate.mixed(found, trail.followers())
            gate, trail = gates[-1]
            return gate.likeliest(found, trail.followers())
        scores = self.scores(logits, trails, owed, at_start)
        token = int(scores.argmax())
        return float(scores[token]), token

    def _gates(self, trails: Trails) -> list[tuple[CopyGate, Trail]]:
        gates = [] if self.gate is None else [(self.gate, trails[0])]
        return gates if self.elsewhere is None else [*gates, (self.elsewhere.gate, trails[1])]

    def _written(self, logits: Tensor) -> Tensor:
        """Log probabilities of what a hole may hold: no marks but its end."""
        written = logits.clone()
        written[self.tokenizer.ordinary :] = float("-inf")
        written[self.tokenizer.eos] = logits[self.tokenizer.eos]
        return torch.log_softmax(written, -1)

    def _fitting(self, scores: Tensor, owed: bytes, at_start: bool) -> Tensor:
        """The same, given what is typed already: that speaks for whoever saw it coming, be it the network or a copy."""
        fitting = scores.clone()
        if at_start and not self.limits.allow_empty:
            fitting[self.tokenizer.eos] = float("-inf")
            if self.limits.single_line:
                fitting[torch.from_numpy(self.healing.line_breaks).to(scores.device)] = float("-inf")
        if owed:
            fitting[torch.from_numpy(self.healing.forbidden(owed)).to(scores.device)] = float("-inf")
        return torch.log_softmax(fitting, -1)
