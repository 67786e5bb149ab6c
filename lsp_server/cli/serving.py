"""Commands that run until they are stopped: the language server, and the engine for many.

Knows addresses and tokens. Knows no protocol.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from lsp_server.cli.common import DeviceOption, ModelOption, ServerOption, UserError, app, remote_engine
from lsp_server.cli.filling import read_text


@app.command()
def lsp(
    stdio: Annotated[bool, typer.Option("--stdio", help="Speak over standard input and output (the default).")] = False,
    tcp: Annotated[str | None, typer.Option("--tcp", metavar="HOST:PORT", help="Listen on this address instead.")] = None,
    model: ModelOption = None,
    server: ServerOption = None,
) -> None:
    """Run the language server."""
    import logging

    from lsp_server.server import serve

    remote = remote_engine(server, model)
    address = None
    if tcp is not None:
        host, _, port = tcp.rpartition(":")
        if stdio or not host or not port.isdecimal() or int(port) > 65535:
            raise UserError(f"--tcp needs HOST:PORT and excludes --stdio, got {tcp!r}")
        address = (host, int(port))
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="quickfill: %(levelname)s: %(message)s")
    try:
        serve(model, address, remote)
    except OSError as error:
        if address is None:
            raise
        raise UserError(f"cannot listen on {tcp}: {error.strerror or error}") from None


@app.command("serve")
def serve_engine(
    socket: Annotated[Path | None, typer.Option("--socket", help="Listen on this Unix socket, for its owner alone.")] = None,
    host: Annotated[str, typer.Option("--host", help="Any but a loopback address needs tokens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any that is free.")] = 8377,
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="Bearer tokens, one a line; else the one in QUICKFILL_TOKEN.")
    ] = None,
    max_waiting: Annotated[int, typer.Option("--max-waiting", min=1, help="Requests in flight; one more is refused.")] = 64,
    drain_s: Annotated[float, typer.Option("--drain-s", min=0, help="Seconds to finish what runs, when told to stop.")] = 10.0,
    memory_mb: Annotated[
        int | None, typer.Option("--memory-mb", min=64, help="Physical memory; with more in use the engine is started again.")
    ] = None,
    cache_mb: Annotated[int, typer.Option("--cache-mb", min=1, help="Memory for the caches of open files.")] = 512,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads for the model.")] = None,
    device: DeviceOption = "cpu",
    model: ModelOption = None,
) -> None:
    """Run the engine as a process of its own, for the editors of one machine or of a small team."""
    import logging

    from lsp_server.gateway.access import is_loopback
    from lsp_server.gateway.options import Options

    try:
        from lsp_server.gateway.supervisor import CannotListen, address_of, listen_on_tcp, listen_on_unix, supervise
    except ImportError as error:
        raise UserError(f"the server needs a Unix system (there is no {error.name} here)") from None

    tokens = _tokens(token_file)
    if socket is None and not tokens and not is_loopback(host):
        raise UserError(f"others can reach {host}: give tokens, by --token-file FILE or in QUICKFILL_TOKEN")
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="quickfill: %(levelname)s: %(message)s")
    options = Options(
        model=model,
        threads=threads,
        device=device,
        cache_mb=cache_mb,
        max_waiting=max_waiting,
        drain_s=drain_s,
        tokens=tuple(tokens),
    )
    try:
        listener = listen_on_unix(socket.absolute()) if socket else listen_on_tcp(host, port)
    except CannotListen as error:
        raise UserError(str(error)) from None
    print(f"listening on {address_of(listener)}", flush=True)
    raise SystemExit(supervise(listener, options, memory_mb))


def _tokens(file: Path | None) -> list[str]:
    """Hashes of the tokens that may ask."""
    import os

    from lsp_server.gateway.access import digest

    if file is None:
        return [digest(token) for token in [os.environ.get("QUICKFILL_TOKEN", "").strip()] if token]
    tokens = [line.strip() for line in read_text(file).splitlines() if line.strip()]
    if not tokens:
        raise UserError(f"there is no token in {file}: write one a line")
    return [digest(token) for token in tokens]
