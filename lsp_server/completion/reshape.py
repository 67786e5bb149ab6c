"""A suggestion that is shown, made shorter: by a line, by a word, or down to one line.

Knows texts. Knows no model: what makes a suggestion longer is what the model suggests behind it.
"""

from __future__ import annotations

import re

_WORDS = re.compile(r"\s*(?:\w+|[^\w\s]+)")


def shorter(text: str) -> str | None:
    """Without its last line, or without the last word of its only one; None if nothing would be left."""
    lines = text.splitlines(keepends=True)
    while lines and not lines[-1].strip():
        lines.pop()
    if sum(bool(line.strip()) for line in lines) > 1:
        return "".join(lines[:-1]).rstrip()
    words = _WORDS.findall(text)
    return "".join(words[:-1]) if len(words) > 1 else None


def one_line(text: str) -> str | None:
    """Its first line that is not blank, with what stands above that; None if that is all of it."""
    begun = len(text) - len(text.lstrip())
    first = text[:begun] + text[begun:].splitlines()[0].rstrip() if text[begun:] else ""
    return first if first and first != text else None
