"""Every shipped variant, rendered for the site of the tests and put into one gateway."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sidecar.settings.routes import RouteSettings
from sidecar.wso2.site import Site, make_site
from sidecar.wso2.targets import Files, make_plan, render
from tests.acceptance.harness.site import route, service
from tests.acceptance.harness.world import Places
from tests.wso2.engine.gateway import FAULT, TO_ENDPOINT, VERSION, api, as_apache, parametrised

BASE = "/demo/orders"
KEY_PROPERTY = "sidecar.gateway.key"  # a system property: Apache Synapse reads no environment variables


def demo_routes(places: Places, gateway_url: str) -> list[dict[str, Any]]:
    """Routes like those of the demo, with services that the tests run, and services behind the gateway's own APIs."""

    def at(name: str, **more: Any) -> dict[str, Any]:
        return service(name, places.services_url, sandbox_url=f"{places.services_url}/sandboxed", **more)

    return [
        route(f"{BASE}/{{order_id}}/report", at("billing"), at("stock", completion="response")),
        route(f"{BASE}/{{order_id}}/invoice", at("billing")),
        *(
            route(
                f"{BASE}/{{order_id}}/loop/{name}",
                {"name": "own", "url": f"{gateway_url}/{name}/{VERSION}/loop", "completion": "response"},
            )
            for name in BUILDERS
        ),
    ]


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the parts of a test are."""

    places: Places
    sidecar: str
    gateway: str

    @property
    def backend(self) -> str:
        return f"{self.places.other_url}/backend"

    @property
    def sandbox_backend(self) -> str:
        return f"{self.places.other_url}/sandbox"

    def site(self, context: str, **over: Any) -> Site:
        given = {
            "api": "OrdersAPI",
            "context": context,
            "version": VERSION,
            "base_path": BASE,
            "sidecar_url": self.sidecar,
            "backend_url": self.backend,
            "sandbox_backend_url": self.sandbox_backend,
            "key": f"system:{KEY_PROPERTY}",
        }
        return make_site(**(given | over))

    def files(self, target: str, context: str, **over: Any) -> Files:
        routes = [RouteSettings(**entry) for entry in demo_routes(self.places, self.gateway)]
        return render(target, make_plan(self.site(context, **over), routes))


def _policy(at: Addresses, context: str, **over: Any) -> str:
    policy = at.files("policy", context, **over)["asyncCallbackRouter/asyncCallbackRouter.j2"]
    site = at.site(context, **over)
    parameters = {
        "sidecarUrl": site.sidecar_url,
        "backendUrl": site.backend_url,
        "sandboxBackendUrl": site.sandbox_backend_url,
    }
    return api(context, parametrised(policy, parameters) + TO_ENDPOINT)


def _streaming(at: Addresses, context: str) -> str:
    """The policy itself; the endpoint's template, which Apache Synapse lacks, is filled in by an XPath."""
    policy = at.files("policy-streaming", context)["asyncCallbackHost/asyncCallbackHost.j2"]
    sidecar, backend = at.sidecar.rpartition(":")[2], at.places.other
    parameters = {"sidecarBase": BASE.strip("/"), "backendBase": "backend", "sandboxBase": "sandbox"}
    parameters |= {f"{side}Host": "127.0.0.1" for side in ("sidecar", "backend", "sandbox")}
    parameters |= {"sidecarPort": sidecar, "backendPort": str(backend), "sandboxPort": str(backend)}
    variables = [f"get-property('uri.var.async{part}')" for part in ("Host", "Port", "Base")]
    address = "concat('http://',{},':',{},'/',{})".format(*variables)
    endpoint = f'<header name="To" expression="{address}"/>'
    return api(context, parametrised(policy, parameters) + endpoint + TO_ENDPOINT)


def _sequence_backend(at: Addresses, context: str, **over: Any) -> str:
    """Both files, each behind the filter that API Manager calls it by."""
    files = at.files("sequence-backend", context, **over)
    production, sandbox = (as_apache(files[f"sequence-{kind}.xml"]) for kind in ("production", "sandbox"))
    chosen = (
        f'<filter source="get-property(\'AM_KEY_TYPE\')" regex="PRODUCTION"><then>{production}</then>'
        f"<else>{sandbox}</else></filter>"
    )
    return api(context, chosen)


def _classic(at: Addresses, context: str) -> str:
    sequence = at.files("classic", context)["async-callback-router.xml"]
    return sequence + api(context, '<sequence key="async-callback-router"/>' + TO_ENDPOINT)


def _micro_integrator(at: Addresses, context: str, **over: Any) -> str:
    """Sequences and endpoints as they are shipped; `<respond/>` goes, since `<send>` answers by itself."""
    files = at.files("micro-integrator", context, **over)
    shipped = as_apache("".join(text for path, text in files.items() if "/sequences/" in path or "/endpoints/" in path))
    routed = shipped + api(context, '<sequence key="AsyncRouteSeq"/>', caller=False, fault="AsyncFaultSeq")
    # Names are for the whole gateway, and it has more than one of these.
    return re.sub(r"\b(AsyncRouteSeq|AsyncFaultSeq|SidecarEP|BackendEP)\b", rf"\1-{context}", routed)


BUILDERS: dict[str, Callable[..., str]] = {
    "policy": _policy,
    "policy-streaming": _streaming,
    "sequence-backend": _sequence_backend,
    "classic": _classic,
    "micro-integrator": _micro_integrator,
}
"""One API for each variant; its name is the context too."""

MANAGED = tuple(name for name in BUILDERS if name != "micro-integrator")
"""Those that run in API Manager, which knows applications and key types."""


def gateway_definitions(at: Addresses) -> str:
    """The configuration of the gateway: all variants, some whose sidecar is away, and special ones."""
    return "".join(
        [
            FAULT,
            *(build(at, name) for name, build in BUILDERS.items()),
            _policy(at, "away", sidecar_url=at.places.nobody_url),
            _sequence_backend(at, "away-sequence-backend", sidecar_url=at.places.nobody_url),
            _micro_integrator(at, "away-micro-integrator", sidecar_url=at.places.nobody_url),
            _policy(at, "jwt", backend_jwt=True),
            # What is left of an API whose policy could not be parsed.
            api("dropped", f'<header name="To" value="{at.backend}"/>' + TO_ENDPOINT),
        ]
    )
