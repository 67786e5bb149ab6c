"""The command that compiles a model for this processor.

Knows what is printed of it. Knows neither the compiler nor where programs lie.
"""

from __future__ import annotations

import time

from lsp_server.cli.common import JsonOption, ModelOption, UserError, app, print_report


@app.command("compile")
def compile_model(model: ModelOption = None, as_json: JsonOption = False) -> None:
    """Compile the model for this processor, once: from its next start on the engine computes faster. Needs a C++ compiler."""
    from rich.console import Console

    from model.architecture.compiled import CannotCompile
    from model.checkpoints.store import CheckpointError, load_model
    from model.engine.engine import fastest_dtype
    from model.engine.readers import compile_for_here

    try:
        found = load_model(model, fastest_dtype())
        began = time.perf_counter()
        with Console(stderr=True).status("compiling; this takes about half a minute"):
            program = compile_for_here(found.network)
    except (CheckpointError, CannotCompile, OSError) as error:
        raise UserError(str(error)) from None
    report = {
        "model": found.card.name,
        "program": str(program),
        "megabytes": round(program.stat().st_size / 1e6, 1),
        "seconds": round(time.perf_counter() - began, 1),
        "used": "from the engine's next start on (in an editor: when all of its windows were closed)",
    }
    print_report(lambda: report, as_json)
