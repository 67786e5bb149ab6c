"""Commands that say how things are: the installation, the settings, what became of suggestions.

Knows what is printed of them.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lsp_server.cli.common import DeviceOption, JsonOption, ModelOption, UserError, app, check_plot, load_engine, print_report

if TYPE_CHECKING:
    from model.engine.engine import Engine


@app.command("report")
def report_acceptance(
    days: Annotated[int, typer.Option("--days", min=1, help="Of how many days.")] = 30,
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw a bar for each day here (.png or .svg).")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="Another file than the usual one.")] = None,
    as_json: JsonOption = False,
) -> None:
    """What became of the suggestions on this machine: shown, taken, kept, and why there were none. It knows no code."""
    from lsp_server.acceptance import report, store

    check_plot(plot)
    place = file or store.usual_place()
    try:
        found = report.read(place, days)
    except store.StoreError as error:
        raise UserError(str(error)) from None
    if plot is not None:
        report.draw(found.daily, plot)
    if as_json:
        print(json.dumps(found.as_json()))
    elif not found.languages and not found.silences:
        print(f"nothing was suggested in the last {days} days, or nothing was written down ({place})")
    else:
        from lsp_server.tables import print_acceptance

        print_acceptance(found.languages, found.daily, found.silences)


@app.command("settings")
def list_settings(as_json: JsonOption = False) -> None:
    """What can be set in an editor: names, what is allowed, defaults."""
    from lsp_server.settings import described

    if as_json:
        print(json.dumps([one._asdict() for one in described()]))
    else:
        from lsp_server.tables import print_settings

        print_settings(described())


@app.command()
def doctor(model: ModelOption = None, device: DeviceOption = "cpu", as_json: JsonOption = False) -> None:
    """Say what this installation is, whether it works, and how fast it is here."""
    import platform
    import resource

    import torch

    from lsp_server import shared
    from lsp_server.acceptance import report as acceptance
    from lsp_server.acceptance import store
    from model.engine.engine import devices
    from model.infilling.request import InfillRequest

    try:
        silent: dict[str, int] | str = dict(acceptance.read(store.usual_place(), 7).silences.most_common(5))
    except store.StoreError as error:
        silent = str(error)
    began = time.perf_counter()
    engine = load_engine(model, device)
    loaded = time.perf_counter() - began
    engine.warm_up()
    request = InfillRequest(("import math\n\n\ndef area(radius):\n    return ", "\n"), single_line=True)
    times = [engine.infill(request, "doctor").timings_ms["total"] for _ in range(5)]
    card = engine.model.card
    report = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "device": f"{device}, of {', '.join(devices())}",
        "precision": str(engine.model.network.embedding.weight.dtype).removeprefix("torch."),
        "compiled": _compiled(engine),
        "model": card.name,
        "parameters": card.parameters,
        "licence": card.license,
        "checksums": "match",
        "load_seconds": round(loaded, 2),
        "completion_ms": round(sorted(times)[2], 1),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "limits": card.limits,
        "shared_engines": shared.running() or "none is running",
        "silent_this_week": silent or "not once",
    }
    print_report(lambda: report, as_json)


def _compiled(engine: Engine) -> str:
    from model.engine.readers import program_of

    network = engine.model.network
    if network.embedding.weight.device.type != "cpu":
        return "no: that is for processors"
    return "no: `quickfill compile` makes it faster" if program_of(network) is None else "yes"
