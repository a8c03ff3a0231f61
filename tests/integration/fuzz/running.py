"""The whole sidecar in a thread of its own, and what is around it, for clients that block."""

import asyncio
import gc
import io
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sidecar.app import Sidecar
from sidecar.settings.load import load_settings
from sidecar.settings.root import Settings
from sidecar.telemetry.log import make_log
from tests.acceptance.harness.site import Ports, make_settings, route, service, write_settings
from tests.acceptance.harness.waiting import wait_until
from tests.acceptance.harness.world import Places, World, open_world

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@dataclass(frozen=True, slots=True)
class Running:
    """A sidecar that serves; ``run`` works in its thread, ``around`` in that of services and webhooks."""

    world: World
    ports: Ports
    settings: Settings
    run: Run
    around: Run
    log: Callable[[], str]
    idle: frozenset[Any]  # the tasks that are there while nobody asks for anything

    def accepted(self, path: str) -> tuple[str, str]:
        """Send a request to a service that calls back some day; the job, and the address that the service got."""

        async def submit() -> tuple[str, str]:
            answer = await self.world.submit(self.ports.gateway_url + path, connection="close")
            assert answer.status == 202, answer
            job = answer.headers["x-job-id"]
            calls = self.world.services.calls
            (call,) = await wait_until(lambda: [one for one in calls if one.job_id == job], "the service is called")
            return job, call.callback_url

        found: tuple[str, str] = self.around(submit())
        return found

    def until_idle(self) -> None:
        """Wait until no task is left of all that was asked."""

        async def waited() -> None:
            def left() -> list[str]:
                others = asyncio.all_tasks() - self.idle - {asyncio.current_task()}
                return [repr(task.get_coro()) for task in others]

            try:
                await wait_until(lambda: not left(), "nothing is under way")
            except AssertionError as error:
                raise AssertionError(f"left behind: {left()}") from error

        self.run(waited())


@contextmanager
def open_sidecar(dsn: str, directory: Path) -> Iterator[Running]:
    """Serve until the block ends."""
    collecting = gc.get_threshold()
    with _thread() as around, _thread() as run:
        ports, places, stream = Ports.free(), Places.free(), io.BytesIO()
        surroundings = open_world(places)
        world = around(surroundings.__aenter__())
        world.services.behaviours["billing"] = world.services.answers(202)
        world.services.behaviours["stock"] = world.services.responds(lambda _: b"{}")
        world.services.behaviours["risk"] = world.services.answers(409)
        written = make_settings(dsn, ports, _routes(places), secret=True)
        settings = load_settings(write_settings(directory / "sidecar.yaml", written), environ={})
        log = make_log("json", "info", stream)
        sidecar = run(_make(settings, log))
        try:
            run(sidecar.start())
            yield Running(world, ports, settings, run, around, lambda: _text(log, stream), run(_tasks()))
        finally:
            run(sidecar.stop())
            around(surroundings.__aexit__(None, None, None))
            gc.unfreeze()
            gc.set_threshold(*collecting)


@contextmanager
def _thread() -> Iterator[Run]:
    """Run a loop in a thread of its own; what is given works there to its end."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield lambda work: asyncio.run_coroutine_threadsafe(work, loop).result(90)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()


def _routes(places: Places) -> list[dict[str, Any]]:
    at = places.services_url
    stock = service("stock", at, completion="response")
    return [
        route("/v1/orders/{order_id}", service("billing", at), methods=["POST", "PUT", "DELETE"]),
        route("/v1/stock", stock, accepts=["application/json"]),
        route("/v1/all", stock, service("billing", at), gather="all", deadline="1s"),
        route("/v1/refused", service("risk", at, retry="none")),
    ]


async def _make(settings: Settings, log: Any) -> Sidecar:
    return Sidecar(settings, log=log)


async def _tasks() -> frozenset[Any]:
    return frozenset(asyncio.all_tasks() - {asyncio.current_task()})


def _text(log: Any, stream: io.BytesIO) -> str:
    log.flush()
    return stream.getvalue().decode()
