"""What would be sent to the model for a place in a document: by source, with token counts, and what is left out and why.

Knows windows, sections and tokens. Knows no editor and no decoding: the text is laid out by the function that serves requests.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from lsp_server.context.secrets import SECRET, secrets, without_secrets
from lsp_server.context.similar import Piece, other_files_of
from lsp_server.context.window import AFTER, BEFORE, as_model_text, cut_window
from model.infilling.layout import encode_visible
from model.tokenization.healing import split_partial_word
from model.tokenization.tokenizer import Tokenizer

Side = Literal["above", "below"]


@dataclass(frozen=True)
class Section:
    """One piece of what the model sees, in the order in which it sees them."""

    source: str
    why: str
    tokens: int
    text: str
    side: Side | None = None  # of the cursor, on which the text stands in the document


@dataclass(frozen=True)
class LeftOut:
    source: str
    why: str
    characters: int


@dataclass(frozen=True)
class Explanation:
    sections: tuple[Section, ...]
    left_out: tuple[LeftOut, ...]
    budget: int  # tokens
    copied_from: int = 0  # files that the model does not see, and suggestions are copied from

    @property
    def tokens(self) -> int:
        return sum(section.tokens for section in self.sections)

    def as_json(self) -> dict[str, object]:
        return {
            "tokens": self.tokens,
            "budget": self.budget,
            "sections": [
                {"source": s.source, "why": s.why, "tokens": s.tokens, "characters": len(s.text), "text": s.text}
                for s in self.sections
            ],
            "left_out": [{"source": o.source, "why": o.why, "characters": o.characters} for o in self.left_out],
            "copied_from": self.copied_from,
        }

    def as_markdown(self) -> str:
        """A document that a person can read in the editor."""
        lines = [f"# What the model sees here: {self.tokens} of at most {self.budget} tokens", ""]
        lines += ["| source | tokens | why |", "|---|---:|---|"]
        lines += [f"| {s.source} | {s.tokens} | {s.why} |" for s in self.sections]
        if self.left_out:
            lines += ["", "Left out:", ""]
            lines += [f"- {o.source}, {o.characters:,} characters: {o.why}" for o in self.left_out]
        if self.copied_from:
            files = f"{self.copied_from} other file{'s' * (self.copied_from != 1)}"
            lines += ["", f"Besides, suggestions are copied from {files} of the workspace, which the model does not see."]
        for section in self.sections:
            fence = "~" * 4
            lines += ["", f"## {section.source}", "", fence, section.text, fence]
        return "\n".join(lines) + "\n"


def explain(tokenizer: Tokenizer, text: str, cursor: int, budget: int = 1024, piece: Piece | None = None) -> Explanation:
    """Raises ValueError for a cursor outside the text."""
    window = cut_window(text, [(cursor, cursor)])
    sent = without_secrets(window.parts)
    prefix, partial = split_partial_word(sent[0])
    visible = encode_visible(tokenizer, (prefix, sent[1]), other_files_of(piece), budget)
    sources = {
        tokenizer.file: Section("another file", _why(piece), 0, ""),
        tokenizer.far_suffix: Section(
            "text further below", "what fits of the window behind the block around the cursor", 0, "", "below"
        ),
        tokenizer.far_prefix: Section(
            "text further above", "what fits of the window before the block around the cursor", 0, "", "above"
        ),
        tokenizer.near_suffix: Section("text below the cursor", "the block around the cursor; always sent", 0, "", "below"),
        tokenizer.near_prefix: Section(
            "text above the cursor", "the block around the cursor; always sent, and read last", 0, "", "above"
        ),
    }
    starts = [at for at, token in enumerate(visible) if token in sources]
    sections = [
        replace(sources[visible[start]], tokens=end - start, text=tokenizer.decode(visible[start:end]))
        for start, end in pairwise([*starts, len(visible)])
    ]
    if partial:
        sections.append(Section("the word being typed", "taken back: the answer must spell it again", 0, partial, "above"))
    hidden = sum(end - start for start, end in secrets("".join(window.parts)))
    return Explanation(tuple(sections), _left_out(text, cursor, window.parts, sent, hidden, sections), budget)


def _why(piece: Piece | None) -> str:
    if piece is None:
        return ""
    return f"{piece.file} from line {piece.first_line}: {piece.alike:.0%} of the names there and around the cursor are the same"


def kept_out(text: str, why: str, budget: int = 1024) -> Explanation:
    """Of a file that no model may see."""
    return Explanation((), (LeftOut("the whole file", why, len(text)),), budget)


def _left_out(
    text: str, cursor: int, parts: tuple[str, ...], sent: tuple[str, ...], hidden: int, sections: list[Section]
) -> tuple[LeftOut, ...]:
    above, below = as_model_text(text[:cursor]), as_model_text(text[cursor:])
    found = []
    if hidden:
        found.append(LeftOut("secrets", f"they look like keys or passwords; the model sees {SECRET}", hidden))
    sides: tuple[tuple[Side, str, str, str, int], ...] = (
        ("above", above, parts[0], sent[0], BEFORE),
        ("below", below, parts[1], sent[1], AFTER),
    )
    for side, whole, part, kept, limit in sides:
        seen = sum(len(section.text) for section in sections if section.side == side)
        if len(whole) > len(part):
            why = f"further than {limit:,} characters from the cursor"
            found.append(LeftOut(f"text {side}, out of the window", why, len(whole) - len(part)))
        if len(kept) > seen:
            why = "the token budget is used up; text nearer to the cursor comes first"
            found.append(LeftOut(f"text {side}, in the window", why, len(kept) - seen))
    return tuple(found)
