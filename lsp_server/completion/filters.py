"""What a candidate must be to become a suggestion, and why it does not.

Knows texts around the cursor and candidates. Knows no model, no editor and no positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lsp_server.syntax.python import parse_error_delta
from model.infilling.request import Candidate


def confident(candidates: Sequence[Candidate], minimum: float) -> tuple[list[Candidate], str | None]:
    """What is likely enough to be right to be shown unasked, cut where that holds; and the reason if there is nothing."""
    held = [candidate.held(minimum) for candidate in candidates]
    kept = [candidate for candidate in held if candidate is not None]
    if kept or not candidates:
        return kept, None
    known = [candidate.confidence for candidate in candidates] + [part.confidence for c in candidates for part in c.parts]
    best = max(confidence for confidence in known if confidence is not None)
    return [], f"below confidence: {best:.2f} < {minimum:.2f}"


def suggestions(candidates: Sequence[Candidate], parts: Sequence[str], python: bool = True) -> tuple[list[Candidate], str | None]:
    """The candidates worth showing, tidied, best first; and the reason if there is none.

    `parts` are the visible texts around the holes. Those that parse come before those that do not.
    """
    kept: list[Candidate] = []
    reason: str | None = None
    for candidate in candidates:
        texts = tuple(tidied(text, parts[i], parts[i + 1], python) for i, text in enumerate(candidate.texts))
        if not any(text.strip() for text in texts):
            reason = reason or (
                "the suggestion repeats what follows"
                if any(map(str.strip, candidate.texts))
                else "the suggestion was only white space"
            )
        elif texts not in [other.texts for other in kept]:
            kept.append(replace(candidate, texts=texts))
    if python and len(kept) > 1 and len(parts) == 2:
        kept.sort(key=lambda candidate: _errors_added(candidate, parts))
    return kept, None if kept else reason


def _errors_added(candidate: Candidate, parts: Sequence[str]) -> int:
    return parse_error_delta(parts[0], candidate.text, parts[1])


def tidied(text: str, before: str, after: str, python: bool = True) -> str:
    """The text without what stands behind or below the cursor already, and without blanks at the end of a line."""
    rest, _, below = after.partition("\n")
    if rest.strip() and text.strip() == rest.strip():
        return ""
    if python:
        text = _without_rest(text, before, rest)
    following = [line for line in below.split("\n") if line.strip()][:8]
    lines = text.split("\n")
    if not rest.strip() and following:
        for count in range(min(len(lines), len(following)), 0, -1):
            tail = [line for line in lines if line.strip()][-count:]
            starts_line = len(tail) < len([line for line in lines if line.strip()]) or not before.rsplit("\n", 1)[-1].strip()
            if (
                starts_line
                and [line.strip() for line in tail] == [line.strip() for line in following[: len(tail)]]
                and _says_much(tail)
            ):
                first = len(lines) - 1 - next(i for i, line in enumerate(reversed(lines)) if line.strip() == tail[0].strip())
                lines = lines[:first]
                break
    text = "\n".join(lines)
    return text.rstrip() if not rest.strip() and not text.endswith("\n") else text


def _without_rest(text: str, before: str, rest: str) -> str:
    """Without the rest of the line at the end (`amount)` before `)`), if that is what makes the line parse."""
    shorter = text.rstrip().removesuffix(rest.strip())
    if not rest.strip() or not shorter or "\n" in text or shorter == text.rstrip():
        return text
    repeated = parse_error_delta(before, text, rest)
    return shorter if parse_error_delta(before, shorter, rest) < repeated else text


def _says_much(lines: Sequence[str]) -> bool:
    """`return None` below a suggested `return None` is often right; a longer repetition never is."""
    return sum(len(line.strip()) for line in lines) > 12
