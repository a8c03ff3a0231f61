"""One site with a route for each way of a job, and short words for what tests do with it."""

from dataclasses import dataclass
from typing import Any

from tests.acceptance.harness.http import Answer
from tests.acceptance.harness.replica import Replica
from tests.acceptance.harness.site import route, service
from tests.acceptance.harness.waiting import ask_until
from tests.acceptance.harness.webhooks import Message
from tests.acceptance.harness.world import Places, World

FAILED_POINTER = {"pointer": "/state", "equals": "broken"}


def flow_routes(places: Places) -> list[dict[str, Any]]:
    """Name the routes after what they show; a service without retries makes refusals quick."""

    def at(name: str, **more: Any) -> dict[str, Any]:
        return service(name, places.services_url, **more)

    stock = at("stock", completion="response")
    risk = at("risk", retry="none")
    order = {**at("billing"), "url": f"{places.services_url}/billing/reports/{{order_id}}?format=full"}
    sandbox = {**at("billing"), "sandbox_url": f"{places.services_url}/sandbox"}
    gone = service("gone", places.nobody_url, retry="none")
    return [
        route("/one", at("billing"), methods=["POST", "PUT", "DELETE"]),
        route("/stock", stock),
        route("/orders/{order_id}/report", order),
        route("/each", at("billing"), stock, risk),
        route("/all", at("billing"), stock, gather="all"),
        route("/short/each", at("billing"), deadline="3s"),
        route("/short/all", at("billing"), stock, gather="all", deadline="3s"),
        route("/refusing", risk, gone),
        route("/sandboxed", sandbox),
        route("/original", at("billing", completion="none", callback_url="original")),
        route("/done", at("billing", completion="none")),
        route("/unsure", at("billing", ack_timeout="1s", retry="short")),
        route("/never", at("billing", ack_timeout="1s", repeat="never")),
        route("/never/stock", at("stock", completion="response", timeout="1s", repeat="never")),
        route("/pointed", at("billing", failed_when=FAILED_POINTER)),
        route("/cookies", at("billing", forward_headers=["cookie"], strip_headers=["authorization"])),
    ]


@dataclass(frozen=True, slots=True)
class Flow:
    """A running sidecar and the world around it."""

    world: World
    replica: Replica

    async def submit(self, path: str, body: bytes = b"{}", **headers: str) -> Answer:
        """Send a request as the gateway does; in header names an underscore stands for a dash."""
        return await self.world.submit(self.replica.ports.gateway_url + path, body, **headers)

    async def accepted(self, path: str, body: bytes = b"{}", **headers: str) -> str:
        """Send a request that is accepted; the id of its job."""
        answer = await self.submit(path, body, **headers)
        assert answer.status == 202, answer
        return answer.headers["x-job-id"]

    async def ask(self, path: str, *, app: str = "shop") -> Answer:
        return await self.world.ask(self.replica.ports.gateway_url + path, app=app)

    async def state(self, job_id: str) -> Any:
        """What the owner may know of a job."""
        answer = await self.ask(f"/_jobs/{job_id}")
        assert answer.status == 200, answer
        return answer.json

    async def until_state(self, job_id: str, service: str, status: str) -> Any:
        """Wait until a service of a job has a status; the service's state."""

        async def found() -> Any:
            services = {entry["service"]: entry for entry in (await self.state(job_id))["services"]}
            return services[service] if services[service]["status"] == status else None

        return await ask_until(found, f"{service} of {job_id} is {status}")

    async def message(self, job_id: str, service: str = "") -> Message:
        return await self.world.message(job_id, service)
