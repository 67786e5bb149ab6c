"""What a person reads about the suggestions of the last weeks: figures by language and by day, a document, and a plot.

Knows outcomes, and asks the store for them. Knows no terminal and no protocol.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lsp_server.acceptance import store
from lsp_server.acceptance.tracker import KEPT_AFTER, Fate, Outcome

USUAL_DAYS = 30
DAY = 86_400  # seconds
_HEAD = "| | shown | taken | in part | typed along | characters taken | kept after 30 s | after 5 min |"


@dataclass(frozen=True)
class Group:
    """Figures of some suggestions. `kept` are mean shares of what was taken that still stood later; None: not known yet."""

    name: str
    shown: int
    taken: int
    in_part: int
    typed: int
    characters: int  # taken
    kept: tuple[float | None, ...]

    def as_json(self) -> dict[str, object]:
        kept = {f"kept_{seconds:.0f}s": share and round(share, 3) for seconds, share in zip(KEPT_AFTER, self.kept, strict=True)}
        return {**{name: value for name, value in vars(self).items() if name != "kept"}, **kept}


@dataclass(frozen=True)
class Report:
    """The suggestions of some days: by language, by day (the oldest first), and how often each reason stood against one."""

    days: int
    languages: list[Group]
    daily: list[Group]
    silences: Counter[str]

    def as_json(self) -> dict[str, object]:
        groups = {"languages": self.languages, "days": self.daily}
        return {name: [one.as_json() for one in own] for name, own in groups.items()} | {"silences": self.silences}

    def as_markdown(self) -> str:
        """For an editor, which shows it as a document."""
        lines = [f"# What became of the suggestions of the last {self.days} days", ""]
        if not self.languages:
            lines += ["Nothing was shown, or nothing was written down.", ""]
        for title, groups in (("By language", self.languages), ("By day", self.daily)):
            if groups:
                lines += [f"## {title}", "", _HEAD, "|---" * _HEAD.count(" | ") + "|---|", *map(_row, groups), ""]
        if self.silences:
            lines += ["## Requests without a suggestion, by reason", "", "| | |", "|---|---|"]
            counted = ((reason.replace("|", r"\|"), count) for reason, count in self.silences.most_common())
            lines += [*(f"| {reason} | {count:,} |" for reason, count in counted), ""]
        lines.append("It is counted on this machine alone, from your edits, and knows no code.")
        return "\n".join([*lines, ""])


def _row(one: Group) -> str:
    shares = [_percent(part, one.shown) for part in (one.taken, one.in_part, one.typed)]
    kept = ["" if share is None else _percent(share, 1) for share in one.kept]
    return "| " + " | ".join([one.name, f"{one.shown:,}", *shares, f"{one.characters:,}", *kept]) + " |"


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %" if whole else ""


def read(place: Path, days: int = USUAL_DAYS, now: float | None = None) -> Report:
    """The last days of what a store wrote down; nothing where there is no file. Raises StoreError."""
    since = (time.time() if now is None else now) - days * DAY
    outcomes = [outcome for outcome in store.outcomes(place) if outcome.at >= since]
    silences = reasons(store.silences(place), time.strftime("%Y-%m-%d", time.localtime(since)))
    return Report(days, by_language(outcomes), by_day(outcomes), silences)


def group(name: str, outcomes: Sequence[Outcome]) -> Group:
    fates = Counter(outcome.fate for outcome in outcomes)
    kept = []
    for number in range(len(KEPT_AFTER)):
        known = [(share, outcome.taken) for outcome in outcomes if (share := outcome.kept[number]) is not None]
        whole = sum(taken for _, taken in known)
        kept.append(sum(share * taken for share, taken in known) / whole if whole else None)
    characters = sum(outcome.taken for outcome in outcomes)
    return Group(name, len(outcomes), fates[Fate.WHOLE], fates[Fate.PART], fates[Fate.TYPED], characters, tuple(kept))


def by_language(outcomes: Sequence[Outcome]) -> list[Group]:
    languages = sorted({outcome.language for outcome in outcomes})
    return [group(language, [one for one in outcomes if one.language == language]) for language in languages]


def by_day(outcomes: Sequence[Outcome]) -> list[Group]:
    """Days of this machine's time zone, the oldest first."""
    days = sorted({day_of(outcome) for outcome in outcomes})
    return [group(day, [one for one in outcomes if day_of(one) == day]) for day in days]


def day_of(outcome: Outcome) -> str:
    return datetime.fromtimestamp(outcome.at).date().isoformat()


def reasons(silences: Iterable[tuple[str, str, int]], since: str = "") -> Counter[str]:
    """How often each reason kept the server silent, from a day on."""
    total: Counter[str] = Counter()
    for day, reason, count in silences:
        if day >= since:
            total[reason] += count
    return total


def draw(days: Sequence[Group], path: Path) -> None:
    """Suggestions a day, by what became of them. Needs matplotlib, the `eval` extra."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.5), layout="constrained")
    axes = figure.subplots()
    bottom = [0] * len(days)
    for label, color, counts in (
        ("taken", "#0072B2", [day.taken for day in days]),
        ("taken in part", "#56B4E9", [day.in_part for day in days]),
        ("typed along to the end", "#009E73", [day.typed for day in days]),
        ("left", "#BBBBBB", [day.shown - day.taken - day.in_part - day.typed for day in days]),
    ):
        axes.bar([day.name for day in days], counts, bottom=bottom, color=color, label=label)
        bottom = [below + count for below, count in zip(bottom, counts, strict=True)]
    axes.set_ylabel("suggestions")
    axes.tick_params(axis="x", rotation=60)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)
