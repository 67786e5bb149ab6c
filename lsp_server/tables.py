"""How the reports of `quickfill eval` and `quickfill bench engine` look on a terminal.

Knows the reports' figures. Knows nothing of how they were measured.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from lsp_server.acceptance.report import Group
from lsp_server.benchmarks import next_edits
from lsp_server.benchmarks.context import Source
from lsp_server.benchmarks.load import LIMIT_MS, Level, most_served
from lsp_server.benchmarks.typing import Session, percentile
from lsp_server.settings import Described
from model.evaluation import deadlines, humaneval_infilling, lines, step_speed
from model.evaluation.curve import Point
from model.evaluation.drafts import Drafting
from model.evaluation.engine_speed import Report, Speed
from model.evaluation.holes import Way
from model.evaluation.intervals import Estimate

_SHARES = {"exact_match": "exact match, %", "first_token": "first token right, %"}
_MEANS = {
    "edit_similarity": "edit similarity, 0 to 1",
    "accepted_prefix": "accepted prefix, characters",
    "length_error": "length error, tokens",
    lines.STEPS: "forward passes that drafted or checked",
}
_WIDTH = 160  # characters, where the output is no terminal


def print_lines(report: lines.Report) -> None:
    """One table for each figure: a row for each kind of position, a column for each who answered."""
    console = _console()
    for name, title in (_SHARES | _MEANS).items():
        answered = [who for who, own in report.kinds[lines.ALL].figures.items() if name in own]
        table = _table(title, "", "n", *answered)
        for kind, group in report.kinds.items():
            table.add_row(kind, str(group.n), *(_cell(group.figures[who][name], name in _SHARES) for who in answered))
        console.print(table)
    table = _table("exact match by package, %", "", "n", "model")
    for package, (n, exact) in report.packages.items():
        table.add_row(package, str(n), _cell(exact, True))
    if report.packages:
        console.print(table)
    for who, cost in report.kinds[lines.ALL].costs.items():
        console.print(f"{who}: an end of a line took {cost.p50:.1f} ms (median), {cost.p95:.1f} ms (95th percentile)")


def print_humaneval(report: humaneval_infilling.Report) -> None:
    table = _table(
        f"{report.benchmark}, {report.n} problems", "", "pass@1, %", "exact match, %", "passes", "ms, median", "ms, 95 %"
    )
    for who, own in report.figures.items():
        cost = report.costs.get(who)
        spent = (f"{cost.mean_steps:.1f}", f"{cost.p50:.0f}", f"{cost.p95:.0f}") if cost else ("", "", "")
        table.add_row(who, _cell(own["pass@1"], True), _cell(own["exact_match"], True), *spent)
    _console().print(table)


def print_curve(points: Sequence[Point]) -> None:
    table = _table(
        "quality against what it costs", "", "exact match, %", "minus checked", "edit similarity", "forward passes", "ms, mean"
    )
    for point in points:
        table.add_row(
            point.setting.name,
            _cell(point.exact_match, True),
            _cell(point.behind, True),
            _cell(point.edit_similarity, False),
            _cell(point.steps, False),
            _cell(point.latency_ms, False),
        )
    _console().print(table)


def print_deadlines(points: Sequence[deadlines.Point]) -> None:
    table = _table(
        "quality against the deadline",
        "deadline, ms", "exact match, %", "answered, %", "of that right, %", "accepted letters", "ms, mean", "late, 99 %", "max",
    )  # fmt: skip
    for point in points:
        table.add_row(
            "none" if point.deadline_ms is None else f"{point.deadline_ms:g}",
            _cell(point.exact_match, True),
            _cell(point.shown, True),
            _cell(point.right, True) if point.right else "",
            _cell(point.accepted, False),
            _cell(point.latency_ms, False),
            *(f"{late:.1f}" for late in point.late_ms),
        )
    _console().print(table)


def print_drafts(found: Sequence[Drafting]) -> None:
    table = _table(
        "what drafts save", "", "drafts from", "n", "passes", "tokens a pass", "ms, median", "same text, %", "accepted"
    )
    for drafting in found:
        accepted = ", ".join(f"{source} {count}" for source, count in drafting.accepted.most_common())
        table.add_row(
            drafting.kind,
            drafting.sources,
            str(drafting.n),
            _cell(drafting.passes, False),
            f"{drafting.tokens_per_pass:.2f}",
            f"{drafting.milliseconds:.1f}",
            f"{100 * drafting.same_text:.1f}",
            accepted,
        )
    _console().print(table)


def print_holes(ways: Sequence[Way]) -> None:
    shares = ("all right, %", "minus the first", "the same name, %", "a hole right, %")
    table = _table(f"three holes with one name, {ways[0].n} cases", "", *shares, "passes", "ms, mean")
    for way in ways:
        cells = (_cell(value, True) for value in (way.all_right, way.ahead, way.agree, way.holes_right))
        table.add_row(way.name, *cells, _cell(way.passes, False), _cell(way.milliseconds, False))
    _console().print(table)


def print_context(sources: Sequence[Source]) -> None:
    columns = ("exact, %", "more than without", "tokens", "ms to choose, median", "ms to answer, median")
    table = _table(f"what the model sees besides the file, {sources[0].n} ends of lines", "", *columns)
    for source in sources:
        cells = (_cell(value, True) for value in (source.exact, source.gain))
        times = (f"{wait:.1f}" for wait in (source.choosing_ms, source.answering_ms))
        table.add_row(source.name, *cells, f"{source.tokens:.0f}", *times)
    _console().print(table)


def print_next_edits(ways: Sequence[next_edits.Way]) -> None:
    columns = ("proposed, %", "right, % of these", "found, %", "ms, median")
    table = _table(f"next edits of real commits, {ways[0].n} edits whose old text stands elsewhere, too", "", *columns)
    for way in ways:
        table.add_row(way.name, *(_cell(one, True) for one in (way.proposed, way.right, way.found)), f"{way.milliseconds:.0f}")
    _console().print(table)


def print_load(levels: Sequence[Level]) -> None:
    columns = ("keys a second", "answered, %", "cancelled, %", "failed", "ms, median", "ms, 95 %", "ms, 95 %, cancelled too")
    table = _table("waiting for a server, by how many type", "typists", *columns)
    for level in levels:
        shares = (f"{100 * count / max(1, level.keys):.1f}" for count in (level.answered, level.cancelled))
        waits = (f"{wait:.0f}" for wait in (level.p50_ms, level.p95_ms, level.all_p95_ms))
        table.add_row(str(level.typists), f"{level.keys_per_second:.0f}", *shares, str(level.failed), *waits)
    console = _console()
    console.print(table)
    if len(levels) > 1:
        console.print(f"95 % of the waits are at most {LIMIT_MS:.0f} ms up to {most_served(levels)} typists")


def print_acceptance(languages: Sequence[Group], days: Sequence[Group], reasons: Mapping[str, int]) -> None:
    console = _console()
    for title, groups in (("by language", languages), ("by day", days)):
        columns = (
            "shown",
            "taken, %",
            "in part, %",
            "typed along, %",
            "characters taken",
            "kept after 30 s, %",
            "after 5 min, %",
        )
        table = _table(f"suggestions {title}", "", *columns)
        for one in groups:
            shares = (_percent(part, one.shown) for part in (one.taken, one.in_part, one.typed))
            kept = ("" if share is None else f"{100 * share:.0f}" for share in one.kept)
            table.add_row(one.name, f"{one.shown:,}", *shares, f"{one.characters:,}", *kept)
        console.print(table)
    table = _table("requests without a suggestion, by reason", "", "")
    for reason, count in sorted(reasons.items(), key=lambda one: -one[1]):
        table.add_row(reason, f"{count:,}")
    console.print(table)


def print_settings(settings: Sequence[Described]) -> None:
    table = Table("name", "allowed", "default", "", box=box.SIMPLE_HEAD, title="settings", title_justify="left")
    for one in settings:
        table.add_row(one.name, one.allowed, one.default, one.description)
    _console().print(table)


def print_typing(sessions: Sequence[Session]) -> None:
    """One table of what came of the suggestions: a column for each repository; and one of the reasons for silence."""
    console = _console()
    names = [session.repository for session in sessions]
    table = _table("typing what real commits wrote", "", *names)

    def row(title: str, value: Callable[[Session], str]) -> None:
        table.add_row(title, *map(value, sessions))

    row("edits", lambda session: f"{session.edits:,}")
    row("keys pressed, one of them takes a suggestion", lambda session: f"{session.tally.keys:,}")
    row("keys behind which something was shown, %", lambda session: _percent(session.tally.with_suggestion, session.tally.keys))
    row("suggestions", lambda session: f"{session.tally.suggestions:,}")
    row("of these right, %", lambda session: _percent(session.tally.right, session.tally.suggestions))
    row("their first line right, %", lambda session: _percent(session.tally.lines_right, session.tally.suggestions))
    row("taken, and kept", lambda session: f"{session.tally.taken:,}")
    row("characters written by them, %", lambda session: _percent(session.tally.characters_taken, session.tally.written))
    row("characters typed along with one, %", lambda session: _percent(session.tally.typed_along, session.tally.written))
    row("keys saved, %", lambda session: f"{100 * session.tally.keys_saved:.1f}")
    row("flickers", lambda session: f"{session.tally.flickers:,}")
    row("duplicates", lambda session: f"{session.tally.duplicates:,}")
    row("suggestions that add syntax errors", lambda session: f"{session.tally.adds_errors:,}")
    row("ms from a key to its answer, median, 95 %", lambda session: _waits(session.tally.waits_ms))
    row("ms from taking a suggestion to the next, median, 95 %", lambda session: _waits(session.tally.waits_after_taking_ms))
    console.print(table)
    silences = _table("keys without a suggestion, by reason", "", *names)
    for reason in _by_frequency(session.silences for session in sessions):
        silences.add_row(reason, *(f"{session.silences.get(reason, 0):,}" for session in sessions))
    console.print(silences)
    filters = _table("what the filters changed or dropped, % of the model's candidates", "", *names)
    for name in _by_frequency(session.filtered for session in sessions):
        filters.add_row(name, *(_percent(session.filtered.get(name, 0), session.candidates) for session in sessions))
    console.print(filters)


def _waits(milliseconds: Sequence[float]) -> str:
    return ", ".join(f"{percentile(milliseconds, q):.1f}" for q in (50, 95))


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / max(1, whole):.1f}"


def _by_frequency(counts: Iterable[Mapping[str, int]]) -> list[str]:
    total: Counter[str] = Counter()
    for own in counts:
        total.update(own)
    return [name for name, _ in total.most_common()]


def print_steps(device: str, machine: step_speed.Machine, steps: Sequence[step_speed.Step]) -> None:
    rates = f"{machine.bytes / 1e9:.0f} GB/s, {machine.operations / 1e12:.2f} Tflop/s"
    table = _table(
        f"one pass on {device} ({rates})", "shape", "parameters", "by", "rows", "ms, median", "floor, ms", "of the floor, %"
    )
    for step in steps:
        times = (f"{step.milliseconds:.2f}", f"{step.floor:.2f}", f"{100 * step.floor / step.milliseconds:.0f}")
        table.add_row(step.shape, f"{step.parameters / 1e6:,.0f} M", step.way, str(step.rows), *times)
    _console().print(table)


def print_engine_speed(report: Report) -> None:
    """One table for each context: a row for each rival and length of fill."""
    console = _console()
    console.print(f"{report.machine}, threads: {report.threads}, weights: {report.weights}")
    for context, visible in report.visible.items():
        table = _table(
            f"up to {context:,} visible tokens ({visible:,.0f} on average)",
            "", "tokens", "n", "ms, median", "times ours", "same as greedy, %", "first line right, %", "passes",
        )  # fmt: skip
        own = [speed for speed in report.speeds if speed.context == context]
        for rival in dict.fromkeys(speed.rival for speed in own):
            for speed in (speed for speed in own if speed.rival == rival):
                table.add_row(*_speed_cells(speed))
        console.print(table)
    for fill, times in report.growth.items():
        console.print(f"{fill} tokens: ours, warm, at the longest context: {times:.2f} times as long as at the shortest")
    console.print(
        "Ours is given text and shows whole lines, the others are given tokens. The unchecked engine picks its length itself. "
        f"Each row of the network sees {report.window:,} tokens at most; transformers and llama.cpp have no such window for it: "
        "where more is visible, they read all of it, and write another text.",
        style="dim",
    )
    for line in report.left_out:
        console.print(line)


def _speed_cells(speed: Speed) -> tuple[str, ...]:
    return (
        speed.rival,
        str(speed.fill),
        str(speed.n),
        f"{speed.milliseconds:.1f}",
        f"{speed.times_ours:.2f}",
        f"{100 * speed.identical:.0f}",
        f"{100 * speed.first_line:.0f}",
        f"{speed.passes:.1f}",
    )


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDTH)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=not number)
    return table


def _cell(estimate: Estimate, percent: bool) -> str:
    """The value and its 95 % interval."""
    times, places = (100, 1) if percent else (1, 2)
    value, low, high = (f"{times * number:.{places}f}" for number in (estimate.value, estimate.low, estimate.high))
    return f"{value} [dim]({low} to {high})[/dim]"
