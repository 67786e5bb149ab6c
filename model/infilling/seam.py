"""Where a filling meets the text behind its hole: what stands there already is not written again.

Knows two texts. Knows no tokens and no model. A hole's text that runs on into its suffix is the commonest way in which a small
model misses a hole's end.
"""

from __future__ import annotations

LEAST = 3  # characters that are not blank: a shorter agreement may be chance


def landmark(suffix: str) -> str | None:
    """The first lines of what stands behind a hole, as many as it takes to recognise them; None if there is too little."""
    end = 0
    while (end := suffix.find("\n", end) + 1) > 0:
        if _solid(suffix[:end]) > LEAST:
            return suffix[:end]
    return None


def right_of(suffix: str) -> str:
    """What stands to the right of a hole in its line; nothing if it is too little to recognise it."""
    right = suffix.partition("\n")[0].rstrip()
    return right if _solid(right) >= LEAST else ""


def without_seam(text: str, suffix: str) -> str:
    """The text up to where it begins to repeat the suffix: its first lines anywhere, or its beginning at the text's end."""
    mark = landmark(suffix)
    if mark is not None and (at := text.find(mark)) >= 0:
        return text[:at]
    for length in range(min(len(text), len(suffix)), 0, -1):
        if text.endswith(suffix[:length]):
            return text[:-length] if _solid(suffix[:length]) >= LEAST else text
    return text


def _solid(text: str) -> int:
    return sum(not character.isspace() for character in text)
