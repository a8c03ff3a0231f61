"""The targets: what is written for each kind of gateway."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from sidecar.model.errors import ConfigError
from sidecar.settings.routes import RouteSettings
from sidecar.wso2.checks import check_file
from sidecar.wso2.openapi import openapi_document, openapi_text
from sidecar.wso2.operations import Operation, api_operations
from sidecar.wso2.site import Site
from sidecar.wso2.templating import fill

SIDECAR_TIMEOUT: Final = 10_000
"""How long the gateway waits for the sidecar, in milliseconds: longer than the wait (5 s at most) and a commit."""
ROUTINGS: Final = ("policy", "policy-streaming", "sequence-backend")
"""How an API project sends requests to the sidecar."""

Files = dict[str, str]
"""Texts by path, below the folder of the target."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a target needs."""

    site: Site
    routes: Sequence[RouteSettings]
    operations: Sequence[Operation]
    routing: str = "policy"

    @property
    def sample(self) -> Operation:
        """An operation to try."""
        return self.operations[0]

    @property
    def sample_path(self) -> str:
        """Its path, with 7 for each variable."""
        return "/".join("7" if part.startswith("{") else part for part in self.sample.target.split("/"))


@dataclass(frozen=True, slots=True)
class Target:
    """One kind of gateway configuration."""

    about: str
    build: Callable[[Plan], Files]


def render(target: str, plan: Plan) -> Files:
    """Render a target and check each file.

    Raises:
        ConfigError: what was given does not suit this target.
        RenderError: a file would not be fit to be applied.
    """
    files = TARGETS[target].build(plan)
    for path, text in files.items():
        check_file(path, text)
    return files


def make_plan(site: Site, routes: Sequence[RouteSettings], *, routing: str = "policy") -> Plan:
    """Put together what the targets need.

    Raises:
        ConfigError: no route belongs to the API.
    """
    return Plan(site, routes, api_operations(routes, site.base_path), routing)


def _policy(plan: Plan) -> Files:
    folder = "asyncCallbackRouter/asyncCallbackRouter"
    return {
        f"{folder}.yaml": fill("policy/asyncCallbackRouter.yaml"),
        f"{folder}.j2": _router(plan, "{{sidecarUrl}}", "{{backendUrl}}", "{{sandboxBackendUrl}}"),
    }


def _router(plan: Plan, sidecar: str, backend: str, sandbox: str) -> str:
    return fill("policy/asyncCallbackRouter.j2", site=plan.site, sidecar=sidecar, backend=backend, sandbox=sandbox)


def _streaming(plan: Plan) -> Files:
    folder = "asyncCallbackHost/asyncCallbackHost"
    return {
        f"{folder}.yaml": fill("policy-streaming/asyncCallbackHost.yaml"),
        f"{folder}.j2": fill("policy-streaming/asyncCallbackHost.j2", site=plan.site),
    }


def _sequence_backend(plan: Plan) -> Files:
    backends = {"production": plan.site.backend_url, "sandbox": plan.site.sandbox_backend_url}
    return {
        f"sequence-{kind}.xml": fill(
            "sequence-backend/sequence.xml", site=plan.site, backend=backend, sidecar_timeout=SIDECAR_TIMEOUT
        )
        for kind, backend in backends.items()
    }


def _classic(plan: Plan) -> Files:
    return {"async-callback-router.xml": fill("classic/async-callback-router.xml", site=plan.site)}


def _micro_integrator(plan: Plan) -> Files:
    site, artifacts = plan.site, "src/main/wso2mi/artifacts"
    methods = list(dict.fromkeys(operation.verb for operation in plan.operations))
    endpoints = {
        "SidecarEP": (site.sidecar_url, SIDECAR_TIMEOUT),
        "BackendEP": (site.backend_url, site.backend_timeout * 1000),
    }
    return {
        "pom.xml": fill("micro-integrator/pom.xml", site=site),
        f"{artifacts}/apis/{site.api}.xml": fill("micro-integrator/api.xml", site=site, methods=methods),
        f"{artifacts}/sequences/AsyncRouteSeq.xml": fill("micro-integrator/AsyncRouteSeq.xml", site=site),
        f"{artifacts}/sequences/AsyncFaultSeq.xml": fill("micro-integrator/AsyncFaultSeq.xml"),
        **{
            f"{artifacts}/endpoints/{name}.xml": fill(
                "micro-integrator/endpoint.xml", name=name, url=url, milliseconds=milliseconds
            )
            for name, (url, milliseconds) in endpoints.items()
        },
        f"src/test/wso2mi/{site.api}Test.xml": fill(
            "micro-integrator/unit-test.xml",
            site=site,
            sample=plan.sample_path,
            backend_path=urlsplit(site.backend_url).path,
        ),
        "deployment/deployment.toml": fill("micro-integrator/deployment.toml"),
    }


def _api_project(plan: Plan) -> Files:
    site, folder = plan.site, f"{plan.site.api}-{plan.site.version}"
    routed, policy, parameters, variables = _routed(plan)
    values = {"site": site, "routing": plan.routing, "operations": plan.operations}
    hosts = [urlsplit(url).netloc for url in (site.sidecar_url, site.backend_url)]
    files = {
        f"{folder}/api.yaml": fill(
            "api-project/api.yaml", **values, policy=policy, parameters=parameters, streaming_url=_streaming_url(site)
        ),
        f"{folder}/api_meta.yaml": fill("api-project/api_meta.yaml", site=site),
        f"{folder}/deployment_environments.yaml": fill("api-project/deployment_environments.yaml"),
        f"{folder}/Definitions/swagger.yaml": openapi_text(openapi_document(site, plan.operations)),
        f"params/{site.environment}.yaml": fill(
            "api-project/params.yaml", **values, https=site.sidecar_url.startswith("https"), hosts=hosts
        ),
    }
    files |= {f"{folder}/{path}": text for path, text in routed.items()}
    if variables:
        files[f"params/{site.environment}.env"] = fill("api-project/params.env", site=site, variables=variables)
    return files


def _routed(plan: Plan) -> tuple[Files, str, dict[str, str], dict[str, str]]:
    """The files that steer; the policy's name and parameters; the variables that apictl puts in at the import."""
    site = plan.site
    if plan.routing == "sequence-backend":
        return {f"Sequence-Backend/{name}": text for name, text in _sequence_backend(plan).items()}, "", {}, {}
    if plan.routing == "policy-streaming":
        files = _renamed(_streaming(plan), "asyncCallbackHost")
        return files, "asyncCallbackHost", _streaming_parameters(site), {}
    urls = {
        "ASYNC_SIDECAR_URL": site.sidecar_url,
        "ASYNC_BACKEND_URL": site.backend_url,
        "ASYNC_SANDBOX_BACKEND_URL": site.sandbox_backend_url,
    }
    specification = _policy(plan)["asyncCallbackRouter/asyncCallbackRouter.yaml"]
    files = {
        "Policies/asyncCallbackRouter_v1.yaml": specification.partition("  policyAttributes:")[0]
        + "  # The URLs come from the environment of apictl, so that one project serves all environments.\n"
        + "  policyAttributes: []\n",
        "Policies/asyncCallbackRouter_v1.j2": _router(plan, *(f"${{{name}}}" for name in urls)),
    }
    return files, "asyncCallbackRouter", {}, urls


def _renamed(files: Mapping[str, str], policy: str) -> Files:
    return {f"Policies/{policy}_v1.{path.rpartition('.')[2]}": text for path, text in files.items()}


def _streaming_url(site: Site) -> str:
    scheme = urlsplit(site.sidecar_url).scheme
    return f"{scheme}://{{uri.var.asyncHost}}:{{uri.var.asyncPort}}/{{+uri.var.asyncBase}}"


def _streaming_parameters(site: Site) -> dict[str, str]:
    """Cut the URLs in three.

    Raises:
        ConfigError: they differ in scheme, or one has no path: WSO2 would put two slashes there.
    """
    urls = {"sidecar": site.sidecar_url, "backend": site.backend_url, "sandbox": site.sandbox_backend_url}
    parameters = {}
    for side, url in urls.items():
        parts = urlsplit(url)
        if parts.scheme != urlsplit(site.sidecar_url).scheme:
            raise ConfigError("--backend-url: with policy-streaming all URLs share one scheme; choose another routing")
        if not parts.path:
            raise ConfigError(f"--{side}-url: with policy-streaming a URL needs a path; choose another routing")
        parameters[f"{side}Host"] = parts.hostname or ""
        parameters[f"{side}Port"] = str(parts.port or (443 if parts.scheme == "https" else 80))
        parameters[f"{side}Base"] = parts.path.strip("/")
    return parameters


def _kubernetes(plan: Plan) -> Files:
    site = plan.site
    sidecar, backend = urlsplit(site.sidecar_url), urlsplit(site.backend_url)
    services = {
        "sidecar_service": (sidecar.hostname or "").partition(".")[0],
        "sidecar_port": sidecar.port or 80,
        "backend_service": (backend.hostname or "").partition(".")[0],
        "backend_port": backend.port or 80,
        "backend_path": backend.path,
    }
    return {
        "httproute.yaml": fill("kubernetes/httproute.yaml", site=site, **services),
        "apk.md": fill("kubernetes/apk.md"),
    }


def _aws(plan: Plan) -> Files:
    return {"alb-rule.yaml": fill("aws/alb-rule.yaml", site=plan.site)}


def _deployment_toml(_: Plan) -> Files:
    names = ("backend-jwt", "correlation", "cors", "timeouts")
    return {f"{name}.toml": fill(f"deployment-toml/{name}.toml") for name in names}


def _openapi(plan: Plan) -> Files:
    return {"openapi.yaml": openapi_text(openapi_document(plan.site, plan.operations))}


def _smoke(plan: Plan) -> Files:
    return {"smoke.sh": fill("smoke.sh", site=plan.site, sample=plan.sample_path, verb=plan.sample.verb)}


TARGETS: Final[Mapping[str, Target]] = {
    "sequence-backend": Target("API Manager 4.4 and later: two sequence backends", _sequence_backend),
    "policy": Target("API Manager 4.2 and later: a common policy, for an API with a dynamic endpoint", _policy),
    "policy-streaming": Target("the same for large bodies: a policy that fills in an endpoint's variables", _streaming),
    "api-project": Target("API Manager 4.2 and later: a whole API for apictl (see --routing)", _api_project),
    "classic": Target("API Manager 3.x and 4.0: a mediation sequence, for an API with a dynamic endpoint", _classic),
    "micro-integrator": Target(
        "Micro Integrator 4.2 and later: a project with API, sequences and endpoints", _micro_integrator
    ),
    "kubernetes": Target("Kubernetes Gateway API: an HTTPRoute by the header, and why not for APK 1.x", _kubernetes),
    "aws": Target("an AWS load balancer between gateway and backend, by CloudFormation", _aws),
    "deployment-toml": Target(
        "snippets for deployment.toml: correlation, backend JWT, CORS, time-outs", _deployment_toml
    ),
    "openapi": Target("the OpenAPI 3 definition of the API, with its callbacks", _openapi),
    "smoke": Target("a script of two requests that tells whether the gateway routes as it should", _smoke),
}
