"""Draws what everyone takes against how much is written and against how much is visible. Needs matplotlib, the `eval` extra.

Knows speeds and colours. Knows no rival.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from model.evaluation.engine_speed import Speed

_COLOURS = ("#0072B2", "#56B4E9", "#009E73", "#E69F00", "#CC79A7", "#000000", "#D55E00")
_MARKERS = "osv^PDX*<>"
COMMON_CONTEXT, COMMON_FILL = 2000, 32  # what is held still where it was measured


def draw_speeds(speeds: Sequence[Speed], path: Path) -> None:
    """Writes a PNG or an SVG, by the path's ending."""
    context = _held_still([speed.context for speed in speeds], COMMON_CONTEXT)
    fill = _held_still([speed.fill for speed in speeds], COMMON_FILL)
    figure = Figure(figsize=(11, 6), layout="constrained")
    by_fill, by_context = figure.subplots(1, 2, sharey=True)
    _panel(by_fill, [s for s in speeds if s.context == context], "fill", f"tokens written, {context:,} visible")
    _panel(by_context, [s for s in speeds if s.fill == fill], "context", f"tokens visible, {fill} written")
    by_fill.set_ylabel("milliseconds from request to text (median)")
    figure.legend(*by_fill.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(path, dpi=150)


def _held_still(measured: Sequence[int], wanted: int) -> int:
    return wanted if wanted in measured else max(measured)


def _panel(axes: Axes, speeds: Sequence[Speed], figure: str, label: str) -> None:
    for number, rival in enumerate(dict.fromkeys(speed.rival for speed in speeds)):
        own = sorted((speed for speed in speeds if speed.rival == rival), key=lambda speed: float(getattr(speed, figure)))
        axes.plot(
            [getattr(speed, figure) for speed in own],
            [speed.milliseconds for speed in own],
            color=_COLOURS[number % len(_COLOURS)],
            marker=_MARKERS[number % len(_MARKERS)],
            linestyle="--" if "unchecked" in rival else "-",
            linewidth=2 if rival.startswith("ours") else 1,
            label=rival,
        )
    axes.set_xlabel(label)
    axes.set_xscale("log", base=2)
    axes.set_xticks(sorted({getattr(speed, figure) for speed in speeds}))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
