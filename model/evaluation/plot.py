"""Draws the curve of quality against forward passes and against latency. Needs matplotlib, the `eval` extra.

Knows points and colours. Knows no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from model.evaluation.curve import Point

# Told apart by shape as well as by colour (Okabe and Ito's palette for colour-blind readers), in the order of first appearance.
_STYLES = (("#0072B2", "o"), ("#56B4E9", "s"), ("#D55E00", "^"), ("#009E73", "v"), ("#E69F00", "P"), ("#000000", "D"))


def draw(points: Sequence[Point], path: Path) -> None:
    """Writes a PNG or an SVG, by the path's ending."""
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    by_passes, by_latency = figure.subplots(1, 2, sharey=True)
    _panel(by_passes, points, "steps", "forward passes per line")
    _panel(by_latency, points, "latency_ms", "milliseconds per line, text in the cache")
    by_passes.set_ylabel("exact match of the hidden end of a line, %")
    figure.legend(*by_passes.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(path, dpi=150)


def _panel(axes: Axes, points: Sequence[Point], figure: str, label: str) -> None:
    families = list(dict.fromkeys(point.setting.family for point in points))
    for family, (colour, marker) in zip(families, _STYLES, strict=False):
        own = [point for point in points if point.setting.family == family]
        x, y = [getattr(point, figure) for point in own], [point.exact_match for point in own]
        axes.errorbar(
            [estimate.value for estimate in x],
            [100 * estimate.value for estimate in y],
            xerr=[[e.value - e.low for e in x], [e.high - e.value for e in x]],
            yerr=[[100 * (e.value - e.low) for e in y], [100 * (e.high - e.value) for e in y]],
            color=colour,
            marker=marker,
            elinewidth=0.6,
            linewidth=1,
            label=family,
        )
    axes.set_xlabel(label)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
