"""An admin listener with its API and console, beside a replica, in a thread of its own for clients that block."""

import asyncio
import io
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from sidecar.ledger.config import LedgerConfig
from sidecar.ledger.operator import OperatorLedger
from sidecar.operate.desk import OperatorDesk
from sidecar.operate.local import EndpointNames
from sidecar.settings.webhook import WebhookEndpoint, WebhookSettings
from sidecar.telemetry.log import make_log
from sidecar.telemetry.metrics import Metrics
from sidecar.web.admin import AdminHandler
from sidecar.web.api.handler import ApiHandler
from sidecar.web.console.handler import ConsoleHandler
from sidecar.web.server import serve
from sidecar.web.tokens import NamedToken, Tokens
from tests.integration.ledger.kit import Replica, replica

T = TypeVar("T")
TOKENS = {"desk": "viewer-token-0123456789", "oncall": "operator-token-0123456789"}
NAMES = EndpointNames(WebhookSettings(endpoints=(WebhookEndpoint(name="crm", match="https://hooks.example/crm/1.0"),)))


def tokens() -> Tokens:
    return Tokens([NamedToken("desk", "viewer", TOKENS["desk"]), NamedToken("oncall", "operator", TOKENS["oncall"])])


@dataclass(frozen=True, slots=True)
class Desk:
    """Where it listens, and a replica to fill the ledger with; ``run`` works in its thread."""

    url: str
    here: Replica
    run: Callable[[Coroutine[Any, Any, Any]], Any]

    def headers(self, name: str = "oncall") -> dict[str, str]:
        return {"Authorization": f"Bearer {TOKENS[name]}"}


@contextmanager
def open_desk(dsn: str) -> Iterator[Desk]:
    """Serve until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def run(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result(60)

    beside = replica(dsn)
    here = run(beside.__aenter__())
    ledger = OperatorLedger(LedgerConfig(dsn=dsn, pool=2, statement_timeout=30.0), clock=here.ledger.clock)
    desk = OperatorDesk(ledger, names=NAMES, retention=14 * 86_400.0)
    known = tokens()
    handler = AdminHandler(
        ready=lambda: None,
        metrics=Metrics(),
        tokens=known,
        api=ApiHandler(desk.operator, idle_timeout=60.0),
        console=ConsoleHandler(desk.operator, known, idle_timeout=60.0),
    )
    log = make_log("json", "info", io.BytesIO())
    listener = run(serve(handler, name="admin", host="127.0.0.1", port=0, log=log))
    try:
        yield Desk(f"http://127.0.0.1:{listener.port}", here, run)
    finally:
        run(listener.stop(1))
        run(desk.close())
        run(beside.__aexit__(None, None, None))
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()
