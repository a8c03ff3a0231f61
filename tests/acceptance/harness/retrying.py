"""A sidecar that repeats quickly, with an object store beside it, and questions about its ledger of retries."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from sidecar.dev.object_store import EmbeddedStore
from tests.acceptance.harness.audit import query
from tests.acceptance.harness.flows import Flow
from tests.acceptance.harness.site import route, service
from tests.acceptance.harness.waiting import ask_until
from tests.acceptance.harness.webhooks import Message
from tests.acceptance.harness.world import Places

BUCKET = "results"
QUICK = {"base": "100ms", "cap": "800ms", "scan_interval": "20ms"}
ROW = 'SELECT *, now() AS asked_at FROM "OasWebhookRetry" WHERE job_id = $1::uuid'
DELIVERY = "SELECT * FROM delivery WHERE job_id = $1::uuid"
ENDPOINT = "SELECT * FROM endpoint WHERE endpoint = $1"
PROBE_IS_DUE = "UPDATE endpoint SET open_until = now() WHERE endpoint = $1 AND state = 'open' RETURNING 1 AS due"


def stock_route(places: Places) -> list[dict[str, Any]]:
    """One route, whose service answers with its result."""
    return [route("/stock", service("stock", places.services_url, completion="response"))]


def retrying(directory: Path, store: EmbeddedStore, **retry: str) -> dict[str, Mapping[str, Any]]:
    """Sections of the settings; the store's keys are written to files."""
    keys = {"access_key": store.access_key, "secret_key": store.secret_key}
    credentials = {}
    for name, value in keys.items():
        file = directory / name
        file.write_text(value)
        credentials[f"{name}_file"] = str(file)
    offload = {"bucket": BUCKET, "endpoint_url": store.endpoint_url, "credentials": credentials}
    return {"retry": retry, "offload": offload}


@dataclass(frozen=True, slots=True)
class Retrying:
    """A running sidecar, the world around it, its store and its database."""

    flow: Flow
    dsn: str
    store: EmbeddedStore

    def hook(self, name: str) -> str:
        """A webhook with an endpoint of its own."""
        return f"{self.flow.world.webhooks.url}/{name}/1.0/results"

    async def accepted(self, hook: str, body: bytes = b"{}") -> str:
        """Send a request whose result is the same bytes; the id of its job."""
        world = self.flow.world
        world.services.behaviours["stock"] = world.services.responds(
            lambda call: call.body, headers={"content-type": "text/csv"}
        )
        answer = await world.submit(self.flow.replica.ports.gateway_url + "/stock", body, hook=hook)
        assert answer.status == 202, answer
        return answer.headers["x-job-id"]

    async def row(self, job_id: str) -> dict[str, Any]:
        """The row of the ledger of retries; empty where there is none."""
        rows = await query(self.dsn, ROW, job_id)
        return rows[0] if rows else {}

    async def until_row(self, job_id: str, **wanted: object) -> dict[str, Any]:
        """Wait until the row of a job says so; ``True`` wants any value."""

        async def found() -> dict[str, Any] | None:
            row = await self.row(job_id)
            fits = row and all(row[name] is not None if to is True else row[name] == to for name, to in wanted.items())
            return row if fits else None

        return await ask_until(found, f"the retry of {job_id} with {wanted}")

    async def until_delivery(self, job_id: str, state: str) -> dict[str, Any]:
        """Wait until the one delivery of a job is in a state."""

        async def found() -> dict[str, Any] | None:
            rows = await query(self.dsn, DELIVERY, job_id)
            return rows[0] if rows and rows[0]["state"] == state else None

        return await ask_until(found, f"the delivery of {job_id} is {state}")

    async def until_endpoint(self, endpoint: str, state: str) -> dict[str, Any]:
        """Wait until an endpoint is in a state."""

        async def found() -> dict[str, Any] | None:
            rows = await query(self.dsn, ENDPOINT, endpoint)
            return rows[0] if rows and rows[0]["state"] == state else None

        return await ask_until(found, f"{endpoint} is {state}")

    async def probe_is_due(self, endpoint: str) -> None:
        """Let the time pass until an open circuit may be probed."""
        await query(self.dsn, PROBE_IS_DUE, endpoint)

    async def download(self, message: Message) -> bytes:
        """Follow the link of an indirect message, and check what came against its digests."""
        document: Any = message.json
        answer = await self.flow.world.client.send("GET", document["download"]["url"])
        assert answer.status == 200, answer
        assert sha256(answer.body).hexdigest() in {document["sha256"], document["stored_sha256"]}
        return answer.body
