"""What can be answered without a model: what followed the last tokens where they stood before, or next to nothing.

Knows cases and tokens. Knows no network.
"""

from __future__ import annotations

from model.evaluation.cases import BLOCK_TOKENS, Case, Kind
from model.infilling.copies import Copies
from model.infilling.layout import encode_visible
from model.tokenization.tokenizer import Tokenizer

LINE_TOKENS = 64


def copied(tokenizer: Tokenizer, case: Case) -> str:
    """The case's answer, copied token by token from behind the longest match in what is visible."""
    if case.kind not in (Kind.WHOLE_LINE, Kind.SEVERAL_LINES):
        line = _copy(tokenizer, case.prefix, case.suffix, LINE_TOKENS, 1)[0]
        right = case.suffix.partition("\n")[0]  # a copy that reaches what stands to the right has closed the hole
        return line.partition(right)[0] if right else line
    # A line break and the indentation behind it are one token, so whole lines are copied from behind the line above.
    above, found, _ = case.prefix.rpartition("\n")
    if not found:
        return ""
    if case.kind is Kind.WHOLE_LINE:
        lines = _copy(tokenizer, above, "\n" + case.suffix, LINE_TOKENS, 2)[1:2]
    else:
        # Nothing says how many lines are missing; a copy that reaches the line behind the hole has closed it.
        behind = case.suffix.partition("\n")[0]
        lines = _copy(tokenizer, above, "\n" + case.suffix, BLOCK_TOKENS, BLOCK_TOKENS)[1:]
        lines = lines[: lines.index(behind)] if behind in lines else lines[:-1]  # the last one may be cut off
    return "".join(line + "\n" for line in lines)


def _copy(tokenizer: Tokenizer, prefix: str, suffix: str, most_tokens: int, most_lines: int) -> list[str]:
    """Lines of the copy; it goes on until it has so many tokens or so many line breaks, or nothing to copy is left."""
    visible = encode_visible(tokenizer, (prefix, suffix))[:-1]
    trail = Copies(visible, tokenizer.ordinary).trail(visible)
    written: list[int] = []
    breaks = 0
    while len(written) < most_tokens and breaks < most_lines and (followers := trail.followers().counts):
        written.append(followers.most_common(1)[0][0])
        trail = trail.after(written[-1])
        breaks += tokenizer.bytes_of(written[-1]).count(b"\n")
    return tokenizer.decode(written).split("\n")


def floor(case: Case) -> str:
    """`pass`, as deep as the line above, for whole lines; nothing within a line."""
    if case.kind not in (Kind.WHOLE_LINE, Kind.SEVERAL_LINES):
        return ""
    above = next((line for line in reversed(case.prefix.split("\n")) if line.strip()), "")
    return above[: len(above) - len(above.lstrip())] + "pass\n"
