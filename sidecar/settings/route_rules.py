"""What a route must fulfil beyond the type of each of its settings. Each trouble is one line of the error."""

from collections.abc import Iterator

from sidecar.model.route import Completion, Gather
from sidecar.settings.routes import RouteSettings, ServiceSettings
from sidecar.settings.url_template import UrlTemplate, parse_path, parse_url


def route_troubles(where: str, route: RouteSettings) -> Iterator[str]:
    """Yield what is wrong with one route, as ``routes[0].services[1].url: what; remedy``."""
    names: set[str] = set()
    template = parse_path(route.path)
    if "_jobs" in template.segments:
        yield f"{where}.path: {route.path} has a segment _jobs, under which the sidecar tells of jobs; rename it"
    variables = frozenset(template.variables)
    for index, service in enumerate(route.services):
        here = f"{where}.services[{index}]"
        if service.name in names:
            yield f"{here}.name: {service.name} is there twice in this route; give each service its own name"
        names.add(service.name)
        yield from _service_troubles(here, service)
        yield from _variable_troubles(here, service, variables)
        if route.gather is Gather.ALL:
            yield from _aggregate_troubles(here, service)


def _service_troubles(here: str, service: ServiceSettings) -> Iterator[str]:
    if service.name == "all":
        yield f"{here}.name: all stands for the aggregate in message ids; choose another name"
    if service.callback_url == "original" and service.completion is not Completion.NONE:
        yield (
            f"{here}.callback_url: original means that the service answers the caller itself, and no callback comes"
            " here; write completion: none"
        )
    if service.failed_when and service.failed_when.status and service.completion is not Completion.RESPONSE:
        yield f"{here}.failed_when.status: only a response has a status; write completion: response or test a header"
    both = sorted(set(service.strip_headers) & set(service.forward_headers))
    if both:
        yield f"{here}.forward_headers: {', '.join(both)} is in strip_headers too; name it in one of them"


def _variable_troubles(here: str, service: ServiceSettings, variables: frozenset[str]) -> Iterator[str]:
    for key, url in (("url", service.url), ("sandbox_url", service.sandbox_url)):
        unknown = sorted(_variables(parse_url(url)) - variables) if url is not None else []
        if unknown:
            known = ", ".join(sorted(variables)) or "none"
            yield f"{here}.{key}: {', '.join(unknown)} is no variable of the path; its variables are: {known}"


def _aggregate_troubles(here: str, service: ServiceSettings) -> Iterator[str]:
    if service.completion is Completion.NONE:
        yield f"{here}.completion: none brings no result for gather: all to wait for; use callback, response or each"


def _variables(template: UrlTemplate) -> frozenset[str]:
    return frozenset(slot.variable for slot in template.slots)
