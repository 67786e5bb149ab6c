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
from itertools import pairwise

SECRET = "<secret>"  # stands for one in what the model sees
LEAST_NAMED = 6  # characters of what is given to something called `password`
LEAST_RANDOM, LEAST_HEXADECIMAL = 20, 32  # characters of what is a secret for looking random alone
HEXADECIMAL_BITS, RANDOM_BITS = 3.0, 3.8  # Shannon entropy per character from which such a text looks random

# Published formats: they begin with a mark that their maker chose so that scanners find them.
_MARKED = re.compile(
    r"""(?<![A-Za-z0-9])(?:
      (?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{12,16}                                        # AWS
    | gh[pousr]_[A-Za-z0-9]{20,} | github_pat_\w{20,}                               # GitHub
    | gl(?:pat|ptt|dt|rt|cbt|soat|ft)-[\w.-]{16,}                                   # GitLab
    | xox[a-z]-[\w-]{10,} | xapp-[\w-]{10,} | hooks\.slack\.com/(?:services|workflows)/[\w/+-]{20,}
    | discord(?:app)?\.com/api/webhooks/\d+/[\w-]{20,}
    | (?:[srp]k|whsec)_(?:live_|test_|prod_)?[A-Za-z0-9]{16,}                       # Stripe
    | sk-(?:[a-z]+\d*-)*[\w-]{16,}                                                  # OpenAI, Anthropic
    | AIza[\w-]{30,} | ya29\.[\w-]{20,} | GOCSPX-[\w-]{20,}                         # Google
    | npm_[A-Za-z0-9]{20,} | pypi-[\w-]{20,} | hf_[A-Za-z0-9]{20,} | dckr_pat_[\w-]{20,}
    | SG\.[\w-]{16,}\.[\w-]{16,} | key-[0-9a-f]{32} | SK[0-9a-f]{32}                # SendGrid, Mailgun, Twilio
    | do[opr]_v1_[0-9a-f]{32,} | shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32} | dapi[0-9a-f]{32} | sq0(?:csp|atp|idp)-[\w-]{20,}
    | hv[sb]\.[\w-]{20,} | glsa_\w{20,} | lin_api_\w{20,} | \d{8,10}:AA[\w-]{30,} | AGE-SECRET-KEY-1[A-Z0-9]{20,}
    | eyJ[\w-]{8,}\.eyJ[\w-]{4,}(?:\.[\w-]*)?                                       # JSON Web Token
    )""",
    re.VERBOSE,
)
_IN_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^\s:/@'\"]*:([^\s@/'\"]{3,})@", re.IGNORECASE)
_IN_HEADER = re.compile(r"\b(?:bearer|basic|token) ([\w+/.~-]{12,}=*)", re.IGNORECASE)
_NAME = (
    r"(?:(?P<password>passw(?:or)?d|passwd|passphrase|passcode|pwd|secret(?!\w*key))|secret\w*key|token|credential"
    r"|(?:api|access|auth|account|private|signing|encryption|master|shared|storage|client|app|session|service)[_-]?key)"
)
_ANNOUNCED = re.compile(_NAME, re.IGNORECASE)
_NAMED = re.compile(
    rf"""{_NAME}(?:\w*["'\]]*(?:\s*:\s*[\w.\[\]| ]+)?\s*(?:[:=]=|=>|[=:,])|s?\()\s*[rbuf]{{0,2}}"""
    r"""(?P<quote>["'`])(?P<value>(?:(?!(?P=quote)).)+)""",
    re.IGNORECASE,
)
# Without quotes of its own: in a shell, a query, a connection string; and in YAML, where it is the rest of the line.
_BARE = re.compile(rf"""{_NAME}\w*=(?P<value>[^\s"'`&;,()\[\]{{}}<>]+)(?P<end>["'&;]|(?=\s|$))""", re.IGNORECASE)
_REST = re.compile(
    rf"""\s*(?:-\s+)?[\w.-]*{_NAME}\w*(?:\s*:|\s+=)\s+(?P<value>[^\s"'`,;()\[\]{{}}<>]+)\s*(?:\#.*)?$""", re.IGNORECASE
)
_RUN = re.compile(r"[\w+/=.-]{12}")  # what looks like a secret by itself is longer
_RANDOM = re.compile(rf"(?<![\w+/=.-])[A-Za-z0-9+/_=-]{{{LEAST_RANDOM},}}(?![\w+/=.-])")
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\Z)", re.DOTALL
)
_HEX = re.compile(r"[0-9a-fA-F-]+\Z")
_DIGITS = re.compile(r"\d+")
_WORDS = re.compile(r"(?:[A-Z]?[a-z]+|[A-Z]{1,9})(?:[_.:/-]?[A-Z]?[a-z]+|[_.:/-][A-Z]+)*\Z")
_NAMES_ONE = re.compile(r"\D*(?:passw(?:or)?d|pwd|secret|token|key|credential)s?\Z", re.IGNORECASE)
_HOLDS_PLACE = re.compile(
    r"\s|\{|\$[({]|^\$|<|>|%[(s]|\.\.\.|^(.)\1*$|^\W+$|^(?:none|null|true|false|todo|changeme|your|example|test|dummy|xxx)",
    re.IGNORECASE,
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
    if _ANNOUNCED.search(line):
        for found in _NAMED.finditer(line):
            if _is_value(found["value"]) and (found["password"] or not _WORDS.match(found["value"])):
                yield found.span("value")
        for found in _BARE.finditer(line):
            is_code = (
                found["value"].isidentifier() and not found["end"] and not line[found.start() : found.start("value")].isupper()
            )
            if _is_value(found["value"]) and not _WORDS.match(found["value"]) and not is_code:
                yield found.span("value")
        rest = _REST.match(line)
        if rest and _is_value(rest["value"]) and not _WORDS.match(rest["value"]) and not rest["value"].isidentifier():
            yield rest.span("value")
    if "://" in line and "@" in line:
        for found in _IN_URL.finditer(line):
            if not _HOLDS_PLACE.search(found[1]):
                yield found.span(1)
    if _RUN.search(line):
        for found in _MARKED.finditer(line):
            yield found.span()
        for found in _IN_HEADER.finditer(line):
            if _DIGITS.search(found[1]):
                yield found.span(1)
        for found in _RANDOM.finditer(line):
            if _looks_random(found[0], line[: found.start()][-1:] in ("'", '"', "`")):
                yield found.span()


def _is_value(text: str) -> bool:
    """Whether what is given to a secret's name may be one: no placeholder, no sentence, no name of a field or a variable."""
    return len(text) >= LEAST_NAMED and not _HOLDS_PLACE.search(text) and not _NAMES_ONE.match(text)


def _looks_random(text: str, quoted: bool) -> bool:
    """Outside of quotes it may be a name: of one joined from words and numbers, hardly any part looks random."""
    if quoted:
        return _is_mixed(text, 1 / 3)
    return any(len(_DIGITS.findall(part)) > 1 and _is_mixed(part, 0.45) for part in text.split("_"))


def _is_mixed(text: str, changes: float) -> bool:
    """Whether letters and digits follow each other as they do in no word. Words change seldom from small to capital to digit."""
    text = text.strip("=-_/")
    if len(text) < LEAST_RANDOM // 2 or not _DIGITS.search(text) or text.isdecimal():
        return False
    if _HEX.match(text):
        return len(text) >= LEAST_HEXADECIMAL and _entropy(text) >= HEXADECIMAL_BITS
    changed = sum(_kind(left) != _kind(right) for left, right in pairwise(text))
    return _entropy(text) >= RANDOM_BITS and changed >= changes * len(text)


def _kind(character: str) -> str:
    return "digit" if character.isdigit() else "capital" if character.isupper() else "small" if character.islower() else "other"


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
