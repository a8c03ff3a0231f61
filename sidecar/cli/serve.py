"""``sidecar serve``: run the sidecar, in one process or in several."""

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated

import typer

from sidecar.cli.options import ConfigFile


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(serve)


def serve(
    config: ConfigFile = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that share the ports.")] = 1,
    siblings: Annotated[Path | None, typer.Option(hidden=True, help="Folder that the workers share.")] = None,
    worker_number: Annotated[int, typer.Option(hidden=True)] = 0,
) -> None:
    """Serve until SIGTERM or SIGINT; exit 0 after an orderly end, 70 after a fault, 78 when settings are wrong."""
    from sidecar.lifecycle import EXIT_CONFIG  # noqa: PLC0415 - commands load what they need, when they run
    from sidecar.model.errors import ConfigError  # noqa: PLC0415

    try:
        if workers > 1:
            from sidecar.cli.workers import run_workers  # noqa: PLC0415

            code = run_workers(config, workers)
        else:
            code = _serve(config, siblings=siblings, worker_number=worker_number)
    except ConfigError as error:
        print(error, file=sys.stderr)
        code = EXIT_CONFIG
    raise typer.Exit(code)


def _serve(config: Path | None, *, siblings: Path | None, worker_number: int) -> int:
    from sidecar.app import Sidecar  # noqa: PLC0415
    from sidecar.settings.load import load_settings  # noqa: PLC0415
    from sidecar.settings.unserved import refuse_unserved  # noqa: PLC0415
    from sidecar.telemetry.events import Event  # noqa: PLC0415
    from sidecar.telemetry.log import make_log, route_standard_logging  # noqa: PLC0415

    settings = load_settings(config)
    warnings = refuse_unserved(settings)
    log = make_log(settings.telemetry.log.format, settings.telemetry.log.level, sys.stdout.buffer)
    route_standard_logging(log)
    for item in warnings:
        log.warning(Event.SETTING_UNSERVED, setting=item.name, why=item.why)

    async def main() -> int:
        return await Sidecar(settings, log=log, siblings=siblings, worker_number=worker_number).run()

    return _run(main())


def _run(main: Coroutine[None, None, int]) -> int:
    if sys.platform == "win32":
        return asyncio.run(main)
    import uvloop  # noqa: PLC0415

    return uvloop.run(main)
