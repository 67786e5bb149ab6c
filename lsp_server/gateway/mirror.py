"""The server's copies of what clients have open, kept up to date by edits, and the edits that lead from one text to another.

Knows texts as tuples of sections (the text around the cursor first), versions and fingerprints. Knows no sockets, no holes and
no engine. Offsets count characters (code points) of the older text; edits ascend and do not overlap.
"""

from __future__ import annotations

import hashlib
import sys
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

from model.tokenization.agreement import common_length

Sections = tuple[str, ...]
Origins = tuple[int | None, ...]  # for each section, the one of the older text that it began as; None: it began empty

SHORT = 400  # characters: an edit that inserts no more than this is not worth a closer look
MOST_LINES = 4_000  # of a text that is compared line by line; of a longer one everything between its ends is sent
KEPT_VERSIONS = 8  # of one session, besides the one that the client builds on


class Edit(NamedTuple):
    section: int
    at: int
    deleted: int
    inserted: str


class OutOfStep(Exception):
    """The edits do not lead from what the server holds to what the client has; `code` says why, the message too."""

    def __init__(self, code: Literal["unknown_session", "other_version", "hash_mismatch", "superseded"], message: str) -> None:
        super().__init__(message)
        self.code = code


class TooLarge(Exception):
    """The text would be longer than the server keeps."""


def fingerprint(sections: Sections) -> str:
    """SHA-256 over each section's length in bytes (8 of them, big-endian) and its UTF-8."""
    found = hashlib.sha256()
    for section in sections:
        raw = section.encode("utf-8", "surrogatepass")
        found.update(len(raw).to_bytes(8, "big"))
        found.update(raw)
    return found.hexdigest()


def changes(old: Sections, new: Sections) -> tuple[Origins, tuple[Edit, ...]]:
    """What turns the old sections into the new ones, few characters where little changed."""
    places = {section: number for number, section in reversed(list(enumerate(old)))}
    origins = tuple(places.get(section, number if number < len(old) else None) for number, section in enumerate(new))
    edits: list[Edit] = []
    for number, (section, origin) in enumerate(zip(new, origins, strict=True)):
        before = "" if origin is None else old[origin]
        edits += [Edit(number, at, deleted, inserted) for at, deleted, inserted in _edits(before, section)]
    return origins, tuple(edits)


def rebuilt(old: Sections, origins: Origins, edits: Sequence[Edit]) -> Sections:
    """The sections that the changes lead to. Raises ValueError for edits that do not fit the old ones."""
    if any(origin is not None and not 0 <= origin < len(old) for origin in origins):
        raise ValueError("a section begins as one that is not there")
    sections = []
    for number, origin in enumerate(origins):
        text = "" if origin is None else old[origin]
        pieces, done = [], 0
        for edit in edits:
            if edit.section == number:
                if not done <= edit.at <= edit.at + edit.deleted <= len(text):
                    raise ValueError("an edit lies outside the text or before the last one")
                pieces += [text[done : edit.at], edit.inserted]
                done = edit.at + edit.deleted
        sections.append("".join([*pieces, text[done:]]) if done or pieces else text)
    if any(not 0 <= edit.section < len(origins) for edit in edits):
        raise ValueError("an edit is for a section that is not there")
    return tuple(sections)


def _edits(old: str, new: str) -> list[tuple[int, int, str]]:
    """One edit between what is equal at both ends; several where that would send much again, as when the window moves on."""
    if old == new:
        return []
    start = common_length(old, new)
    end = common_length(old[start:][::-1], new[start:][::-1])
    before, after = old[start : len(old) - end], new[start : len(new) - end]
    if len(after) <= SHORT or not before:
        return [(start, len(before), after)]
    old_lines, new_lines = before.splitlines(keepends=True), after.splitlines(keepends=True)
    if max(len(old_lines), len(new_lines)) > MOST_LINES:
        return [(start, len(before), after)]
    edits, at, lines_before = [], start, 0
    for kind, i, i_end, j, j_end in SequenceMatcher(None, old_lines, new_lines, autojunk=False).get_opcodes():
        at += sum(map(len, old_lines[lines_before:i]))
        lines_before = i
        if kind != "equal":
            gone, come = "".join(old_lines[i:i_end]), "".join(new_lines[j:j_end])
            same = common_length(gone, come)
            tail = common_length(gone[same:][::-1], come[same:][::-1])
            edits.append((at + same, len(gone) - same - tail, come[same : len(come) - tail]))
    return edits


@dataclass
class _Versions:
    newest: int = -1
    texts: dict[int, Sections] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        return sum(sys.getsizeof(section) for sections in self.texts.values() for section in sections)


class Mirrors:
    """The owner of all copies. Under a memory limit, the session that was not used for longest goes first.

    A client builds on the last version that it knows to have arrived, and of what it sent since it knows nothing (a request
    that was cancelled may have arrived or not): so that version is kept along with the newer ones.
    """

    def __init__(self, most_bytes: int, longest: int) -> None:
        self._most_bytes, self._longest = most_bytes, longest
        self._sessions: OrderedDict[str, _Versions] = OrderedDict()
        self.nbytes = 0

    def __len__(self) -> int:
        return len(self._sessions)

    def update(
        self, name: str, base: int | None, version: int, origins: Origins | None, edits: Sequence[Edit], sha256: str
    ) -> Sections:
        """The new text of a session. Without a `base` it is made from nothing. Raises OutOfStep, TooLarge."""
        session = self._sessions.get(name) or _Versions()
        if version < session.newest:
            raise OutOfStep("superseded", f"version {version} is older than version {session.newest}, which the server has")
        old = self._base(session, base)
        try:
            sections = rebuilt(old, origins if origins is not None else tuple(range(len(old))), edits)
        except ValueError as error:
            raise OutOfStep("hash_mismatch", f"the edits do not fit the server's text: {error}") from None
        if sum(map(len, sections)) > self._longest:
            raise TooLarge(f"the text is longer than the {self._longest:,} characters that the server keeps")
        if fingerprint(sections) != sha256:
            raise OutOfStep("hash_mismatch", "the server's text does not have the hash that was sent")
        if name:
            self._keep(name, session, base, version, sections)
        return sections

    def forget(self, name: str) -> None:
        session = self._sessions.pop(name, None)
        if session is not None:
            self.nbytes -= session.nbytes

    def _base(self, session: _Versions, base: int | None) -> Sections:
        if base is None:
            return ()
        if not session.texts:
            raise OutOfStep("unknown_session", "the server does not know this session")
        if base not in session.texts:
            raise OutOfStep("other_version", f"the server does not have version {base} of this session")
        return session.texts[base]

    def _keep(self, name: str, session: _Versions, base: int | None, version: int, sections: Sections) -> None:
        self.forget(name)
        newer = sorted(known for known in session.texts if base is not None and known > base and known != version)
        kept = [known for known in newer[-KEPT_VERSIONS + 1 :] if known != base]
        texts = {known: session.texts[known] for known in ([] if base is None else [base]) + kept}
        self._sessions[name] = _Versions(version, {**texts, version: sections})
        self.nbytes += self._sessions[name].nbytes
        while self.nbytes > self._most_bytes and len(self._sessions) > 1:
            self.forget(next(iter(self._sessions)))
