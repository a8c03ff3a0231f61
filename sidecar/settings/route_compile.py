"""Routes made ready: everything that can be known before a request comes is worked out once."""

from dataclasses import dataclass
from functools import partial

from sidecar.model.route import Completion, FailedWhen, Gather, ServiceCall
from sidecar.settings.routes import FailedWhenSettings, RouteSettings, ServiceSettings
from sidecar.settings.url_template import PathTemplate, UrlTemplate, parse_path, parse_url


@dataclass(frozen=True, slots=True)
class Route:
    """What a request needs to know of its route. ``path`` is the template, and so the label of logs and metrics."""

    path: str
    methods: tuple[str, ...]
    gather: Gather
    deadline: float  # seconds from accept
    accepts: tuple[str, ...]  # media ranges; empty takes everything
    max_body: int | None  # bytes; None: the listener's own limit


@dataclass(frozen=True, slots=True)
class Destination:
    """One URL of a service, and the call that only lacks it."""

    template: UrlTemplate
    call: "partial[ServiceCall]"

    def render(self, values: dict[str, str], query: str) -> ServiceCall:
        """Build the call of one job."""
        return self.call(url=self.template.render(values, query))


@dataclass(frozen=True, slots=True)
class CompiledRoute:
    """A route, its live and its sandbox destinations (``None`` unless every service has one)."""

    route: Route
    template: PathTemplate
    live: tuple[Destination, ...]
    sandbox: tuple[Destination, ...] | None
    live_calls: tuple[ServiceCall, ...] | None  # ready calls, where no URL has variables
    sandbox_calls: tuple[ServiceCall, ...] | None

    def calls(self, values: dict[str, str], query: str, *, sandbox: bool) -> tuple[ServiceCall, ...] | None:
        """Build the calls of one job; ``None`` says that there is no sandbox."""
        ready = self.sandbox_calls if sandbox else self.live_calls
        if ready is not None and not query:
            return ready
        destinations = self.sandbox if sandbox else self.live
        if destinations is None:
            return None
        return tuple([destination.render(values, query) for destination in destinations])


def compile_route(settings: RouteSettings) -> CompiledRoute:
    """Make a route ready that has no troubles."""
    template = parse_path(settings.path)
    live = tuple(_destination(service, service.url) for service in settings.services)
    sandboxes = [
        _destination(service, service.sandbox_url) for service in settings.services if service.sandbox_url is not None
    ]
    sandbox = tuple(sandboxes) if len(sandboxes) == len(settings.services) else None
    return CompiledRoute(
        route=Route(
            path=settings.path,
            methods=settings.methods,
            gather=settings.gather,
            deadline=settings.deadline,
            accepts=settings.accepts,
            max_body=settings.max_body,
        ),
        template=template,
        live=live,
        sandbox=sandbox,
        live_calls=_ready(live),
        sandbox_calls=_ready(sandbox),
    )


def _ready(destinations: tuple[Destination, ...] | None) -> tuple[ServiceCall, ...] | None:
    if destinations is None or any(destination.template.slots for destination in destinations):
        return None
    return tuple(destination.render({}, "") for destination in destinations)


def _destination(service: ServiceSettings, url: str) -> Destination:
    template = parse_url(url)
    call = partial(
        ServiceCall,
        service=service.name,
        service_key=template.origin,
        completion=service.completion,
        original_callback=service.callback_url == "original",
        timeout=service.timeout if service.completion is Completion.RESPONSE else service.ack_timeout,
        retry=service.retry == "short",
        repeat=service.repeat == "allowed",
        failed_when=_failed_when(service.failed_when),
        strip_headers=service.strip_headers,
        forward_headers=service.forward_headers,
        offer_upload=service.offer_upload,
    )
    return Destination(template, call)


def _failed_when(settings: FailedWhenSettings | None) -> FailedWhen | None:
    if settings is None:
        return None
    return FailedWhen(
        header=next(iter(settings.header.items())) if settings.header else None,
        statuses=settings.status,
        pointer=settings.pointer,
        equals=settings.equals,
    )
