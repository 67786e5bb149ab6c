"""What looks like a secret in a text, and the text without it.

Knows the shapes of keys, tokens and passwords. Knows no files, no editor and no model. A secret is replaced before a model, an
explanation or a server sees the text; so is what only looks like one, which costs a suggestion at worst.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache

SECRET = "<secret>"  # stands for one in what the model sees
LEAST_NAMED = 6  # characters of a string that is given to something called `password`
LEAST_RANDOM = 32  # characters of a string that is a secret for looking random alone
RANDOM_BITS = {16: 3.0, 64: 4.2}  # Shannon entropy per character, by the size of the alphabet, from which a string looks random

# Published formats: they begin with a mark that their maker chose so that scanners find them.
_MARKED = re.compile(
    r"""\b(?:
      (?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{12,16}                # AWS
    | gh[pousr]_[A-Za-z0-9]{20,} | github_pat_\w{20,}       # GitHub
    | glpat-[\w-]{16,}                                      # GitLab
    | xox[abeoprs]-[\w-]{10,}                               # Slack
    | [sr]k_(?:live|test)_[A-Za-z0-9]{16,}                  # Stripe
    | sk-[\w-]{20,}                                         # OpenAI, Anthropic
    | AIza[\w-]{30,}                                        # Google
    | npm_[A-Za-z0-9]{30,} | pypi-[\w-]{30,} | hf_[A-Za-z0-9]{30,}
    | SG\.[\w-]{16,}\.[\w-]{16,}                            # SendGrid
    | eyJ[\w-]{8,}\.eyJ[\w-]{8,}(?:\.[\w-]*)?               # JSON Web Token
    )""",
    re.VERBOSE,
)
_IN_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^\s:/@'\"]*:([^\s@/'\"]{3,})@", re.IGNORECASE)
_NAMED = re.compile(
    r"""(?:(?P<password>passw(?:or)?d|passphrase|pwd|secret)|token|api_?key|access_?key|private_?key|auth_?key|credentials?)\w*["'\]]*
        \s*(?::\s*\w+\s*)?(?:=>|:=|=|:|,)\s*[rbuf]{0,2}(?P<quote>["'])(?P<value>(?:(?!(?P=quote)).)+)(?:(?P=quote)|$)""",
    re.IGNORECASE | re.VERBOSE,
)
_QUOTED = re.compile(rf"""(["'])(?P<value>[A-Za-z0-9+/=_-]{{{LEAST_RANDOM},}})(?:\1|$)""")
_EXPORTED = re.compile(r"\b\w*(?:PASSWORD|SECRET|TOKEN|API_?KEY|ACCESS_?KEY)\w*=(?P<value>[^\s\"'#(),.\[\]{}]+)\s*$")
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_HEX = re.compile(r"[0-9a-fA-F]+\Z")
_HOLDS_PLACE = re.compile(
    r"\s|\{|\$|<|>|%[(s]|^\W+$|^(?:none|null|true|false|todo|changeme|your|example|test|dummy|xxx)", re.IGNORECASE
)


def secrets(text: str) -> list[tuple[int, int]]:
    """Where they stand: spans, ascending, not overlapping."""
    spans = [found.span() for found in _PRIVATE_KEY.finditer(text)] if "PRIVATE KEY" in text else []
    at = 0
    for line in text.split("\n"):
        spans += [(at + start, at + end) for start, end in _in_line(line)]
        at += len(line) + 1
    return _merged(spans)


def without_secrets(parts: Sequence[str]) -> tuple[str, ...]:
    """Parts of one text, each with `SECRET` for whatever of a secret stands in it: also for one that is cut between two."""
    found = secrets("".join(parts))
    if not found:
        return tuple(parts)
    clean, start = [], 0
    for part in parts:
        end, text, at = start + len(part), "", start
        for first, last in found:
            if first < end and last > start:
                text += part[at - start : max(first, start) - start] + SECRET
                at = min(last, end)
        clean.append(text + part[at - start :])
        start = end
    return tuple(clean)


@lru_cache(maxsize=1 << 14)
def _in_line(line: str) -> tuple[tuple[int, int], ...]:
    if len(line) < LEAST_NAMED or not line.strip():
        return ()
    return tuple(_merged(list(_found_in(line))))


def _found_in(line: str) -> Iterator[tuple[int, int]]:
    for found in _MARKED.finditer(line):
        yield found.span()
    for found in _IN_URL.finditer(line):
        if not _HOLDS_PLACE.search(found[1]):
            yield found.span(1)
    for found in _NAMED.finditer(line):
        if _is_value(found["value"]) and (found["password"] or _is_no_name(found["value"])):
            yield found.span("value")
    for found in _EXPORTED.finditer(line):
        if _is_value(found["value"]) and _is_no_name(found["value"]):
            yield found.span("value")
    for found in _QUOTED.finditer(line):
        if _looks_random(found["value"]):
            yield found.span("value")


def _is_value(text: str) -> bool:
    return len(text) >= LEAST_NAMED and not _HOLDS_PLACE.search(text)


def _is_no_name(text: str) -> bool:
    """`token = "identifier"` names a kind of token; names seldom have digits, tokens nearly always."""
    return not text.replace("-", "_").replace(".", "_").isidentifier() or any(map(str.isdigit, text))


def _looks_random(value: str) -> bool:
    alphabet = 16 if _HEX.match(value) else 64
    mixed = alphabet == 16 or (any(map(str.isdigit, value)) and value.lower() != value)
    return mixed and _entropy(value) >= RANDOM_BITS[alphabet]


def _entropy(value: str) -> float:
    """Bits per character."""
    counts = Counter(value).values()
    return -sum(count / len(value) * math.log2(count / len(value)) for count in counts)


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
