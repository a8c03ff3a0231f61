"""The OpenAPI 3.0 definition of an API, made of the routes that the sidecar serves."""

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, Final

import yaml

from sidecar.model.route import Gather
from sidecar.settings.routes import RouteSettings
from sidecar.settings.units import render_duration
from sidecar.wso2.operations import KEYS, RESULT, Operation
from sidecar.wso2.site import Site

Document = dict[str, Any]

_WITHOUT_BODY: Final = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
_PROBLEMS: Final = (400, 404, 405, 408, 413, 414, 415, 417, 422, 431, 502, 508)
_BUSY: Final = (409, 503)
_GATEWAY: Final = (401, 403, 429, 500)  # answers that are the gateway's own or the sidecar's
_MESSAGE_HEADERS: Final = (
    *("WebhookId", "WebhookTimestamp", "WebhookSignature", "MessageJob", "MessageCorrelation", "MessageService"),
    *("ResultKind", "ResultStatus", "ServicesTotal", "Attempt", "Traceparent"),
)


def openapi_document(site: Site, operations: Sequence[Operation]) -> Document:
    """Build the definition: what callers send, the 202, every problem, and the messages that webhooks get."""
    paths: dict[str, Document] = {}
    for operation in operations:
        item = paths.setdefault(operation.target, {})
        item[operation.verb.lower()] = _asynchronous(operation) if operation.route else _asking(operation)
    return {
        "openapi": "3.0.3",
        "info": {
            "title": site.api,
            "version": site.version,
            "description": "Send callback-url to be answered at once and to get the results by a webhook.",
        },
        "servers": [{"url": f"{site.context}/{site.version}"}],
        "paths": paths,
        "components": _components(),
    }


def openapi_text(document: Document) -> str:
    """Render as YAML, in the order that it was built in."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature is the library's
        """Write everything out: importers of OpenAPI do not expect aliases."""
        return True


def _components() -> Document:
    text = (resources.files("sidecar.wso2") / "templates" / "openapi" / "components.yaml").read_text("utf-8")
    components: Document = yaml.safe_load(text)
    return components


def _asynchronous(operation: Operation) -> Document:
    route = operation.route
    assert route is not None  # noqa: S101 - narrowing: the caller has looked
    names = ["CallbackUrl", "CorrelationId", "IdempotencyKey", "Prefer"]
    if len(route.services) == 1 or route.gather is Gather.ALL:
        names.append("UploadUrl")
    services = ", ".join(service.name for service in route.services)
    described: Document = {
        "operationId": _identifier(operation),
        "summary": f"Calls {services}",
        "description": (
            f"With callback-url the answer is 202, and the results of {services} follow within"
            f" {render_duration(route.deadline)}, {_gathered(route)}."
        ),
        "parameters": [*_path_variables(operation.target), *_parameters(names)],
    }
    if operation.verb not in _WITHOUT_BODY:
        types = route.accepts or ("*/*",)
        described["requestBody"] = {"content": {name: {"schema": _anything(name)} for name in types}}
    described["responses"] = {
        "202": {"$ref": "#/components/responses/Accepted"},
        **{str(status): {"$ref": "#/components/responses/Problem"} for status in _PROBLEMS},
        **{str(status): {"$ref": "#/components/responses/Busy"} for status in _BUSY},
        **{str(status): {"$ref": "#/components/responses/GatewayFault"} for status in _GATEWAY},
        "default": {"$ref": "#/components/responses/Synchronous"},
    }
    described["callbacks"] = {"result": {"{$request.header.callback-url}": {"post": _message(route)}}}
    return described


def _gathered(route: RouteSettings) -> str:
    return "all in one message" if route.gather is Gather.ALL else "in one message for each service"


def _message(route: RouteSettings) -> Document:
    """Describe what the webhook gets: the service's own body, or documents of the sidecar."""
    own = "AggregateResult" if route.gather is Gather.ALL else "IndirectResult"
    content: Document = {
        "application/json": {"schema": {"anyOf": [{"$ref": f"#/components/schemas/{own}"}, {}]}},
        "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}},
    }
    if route.gather is Gather.EACH:
        content["*/*"] = {"schema": {"type": "string", "format": "binary"}}
    return {
        "summary": "A result, an error, or a link to a large result",
        "parameters": _parameters(_MESSAGE_HEADERS),
        "requestBody": {"required": False, "content": content},
        "responses": {
            "2XX": {"description": "Taken. Answer quickly, and work afterwards."},
            "413": {"description": "Too large: the same message comes again at once, with a link."},
            "429": {"description": "Busy: it comes again; Retry-After is heeded."},
            "5XX": {"description": "502, 503, 504: it comes again, for hours; other failures end the message."},
            "default": {"description": "The message has failed; an operator can send it again."},
        },
    }


def _asking(operation: Operation) -> Document:
    """Describe what asks the sidecar itself; the gateway sends it there always."""
    if operation.target == KEYS:
        keys = {"schema": {"type": "object", "properties": {"keys": {"type": "array", "items": {"type": "object"}}}}}
        return {
            "operationId": "getKeys",
            "summary": "Tells the public keys that verify messages",
            "responses": {
                "200": {
                    "description": "The keys (RFC 7517).",
                    "content": {"application/jwk-set+json": keys},
                },
                "304": {"description": "They are still those of the ETag."},
            },
        }
    about_result = operation.target == RESULT
    found: Document
    if about_result:
        found = {
            "200": {
                "description": "The result.",
                "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
            },
            "303": {"description": "The result lies at Location, for a while."},
            "410": {"$ref": "#/components/responses/Problem"},
            "409": {"$ref": "#/components/responses/Busy"},
        }
    else:
        schema = {"schema": {"$ref": "#/components/schemas/Job"}}
        found = {"200": {"description": "The state of the job.", "content": {"application/json": schema}}}
    return {
        "operationId": "getResult" if about_result else "getJob",
        "summary": "Gets a result again" if about_result else "Tells the state of a job",
        "parameters": _parameters(["JobId", "Service"] if about_result else ["JobId"]),
        "responses": {
            **found,
            "404": {"$ref": "#/components/responses/Problem"},
            "503": {"$ref": "#/components/responses/Busy"},
        },
    }


def _parameters(names: Sequence[str]) -> list[Mapping[str, str]]:
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]


def _path_variables(target: str) -> list[Document]:
    return [
        {"name": part[1:-1], "in": "path", "required": True, "schema": {"type": "string"}}
        for part in target.split("/")
        if part.startswith("{")
    ]


def _identifier(operation: Operation) -> str:
    words = [part.strip("{}") for part in operation.target.split("/") if part]
    return "_".join([operation.verb.lower(), *words]).replace("-", "_")


def _anything(media_type: str) -> Document:
    return {} if "json" in media_type else {"type": "string", "format": "binary"}
