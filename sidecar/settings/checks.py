"""Settings that contradict each other. Each contradiction is one line that names the setting and the remedy."""

from collections.abc import Iterator

from sidecar.model.callback_url import parse_webhook_url
from sidecar.model.url_prefix import UrlPrefix
from sidecar.settings.root import Settings
from sidecar.settings.units import DAY, render_duration, render_size

AFTER_DEADLINE = DAY  # the last delivery of a job may be this long after its deadline
REDRIVE_WINDOW = DAY  # and operators may repeat a failed one this much later


def contradictions(settings: Settings) -> Iterator[str]:
    """Yield what contradicts what."""
    yield from _times(settings)
    yield from _retention(settings)
    yield from _names(settings)
    yield from _addresses(settings)
    yield from _gateway_certificate(settings)
    yield from _thresholds(settings)


def _thresholds(settings: Settings) -> Iterator[str]:
    most = settings.database.max_body
    for index, endpoint in enumerate(settings.webhook.endpoints):
        if settings.stores_objects and endpoint.threshold is not None and endpoint.threshold > most:
            yield (
                f"webhook.endpoints[{index}].threshold: {render_size(endpoint.threshold)} is more than"
                f" database.max_body ({render_size(most)}), the largest body that one message is held in memory for;"
                " lower it, or raise database.max_body"
            )


def _times(settings: Settings) -> Iterator[str]:
    gateway, retry = settings.gateway, settings.retry
    if gateway.wait > gateway.max_wait:
        yield (
            f"gateway.wait: {render_duration(gateway.wait)} is longer than gateway.max_wait"
            f" ({render_duration(gateway.max_wait)}); lower it or raise gateway.max_wait"
        )
    if retry.base > retry.cap:
        yield (
            f"retry.base: {render_duration(retry.base)} is longer than retry.cap ({render_duration(retry.cap)});"
            " lower it or raise retry.cap"
        )
    if settings.webhook.timeouts.connect > settings.webhook.timeouts.total:
        yield "webhook.timeouts.connect: is longer than webhook.timeouts.total; lower it or raise the total"
    if gateway.headers.field > gateway.headers.total:
        yield "gateway.headers.field: is larger than gateway.headers.total; lower it or raise the total"


def _retention(settings: Settings) -> Iterator[str]:
    jobs = settings.retention.jobs
    longest = max(settings.routes, key=lambda route: route.deadline)
    needed = longest.deadline + AFTER_DEADLINE + REDRIVE_WINDOW
    if jobs < needed:
        yield (
            f"retention.jobs: {render_duration(jobs)} is too short for the deadline of {longest.path}"
            f" ({render_duration(longest.deadline)}); keep jobs for at least {render_duration(needed)}, which leaves"
            " 24h for delivery and 24h to redrive, or shorten the deadline"
        )
    if settings.retention.bodies > jobs:
        yield (
            f"retention.bodies: {render_duration(settings.retention.bodies)} is longer than retention.jobs"
            f" ({render_duration(jobs)}), which removes the bodies too; lower it or raise retention.jobs"
        )


def _names(settings: Settings) -> Iterator[str]:
    listeners = {
        "gateway": settings.gateway.listen,
        "callbacks": settings.callbacks.listen,
        "admin": settings.admin.listen,
    }
    seen: dict[str, str] = {}
    for name, listen in listeners.items():
        address = str(listen)
        if listen.port and address in seen:
            yield f"{name}.listen: {address} is {seen[address]}.listen too; give each listener its own port"
        seen.setdefault(address, name)
    endpoints = [endpoint.name for endpoint in settings.webhook.endpoints]
    for index, endpoint in enumerate(endpoints):
        if endpoint in endpoints[:index]:
            yield f"webhook.endpoints[{index}].name: {endpoint} is there twice; give each endpoint its own name"
    yield from _service_users(settings)


def _service_users(settings: Settings) -> Iterator[str]:
    users = settings.webhook.service_users
    keys = ["*" if user.match == "*" else UrlPrefix.parse(user.match).key for user in users]
    for index, key in enumerate(keys):
        if key in keys[:index]:
            other = keys.index(key)
            yield (
                f"webhook.service_users[{index}].match: covers the same as that of webhook.service_users[{other}];"
                " leave one of them out"
            )


def _addresses(settings: Settings) -> Iterator[str]:
    """Hold addresses that are compared with callback-urls to the same form."""
    given = {"callbacks.base_url": settings.callbacks.base_url}
    given |= {f"webhook.endpoints[{i}].match": rule.match for i, rule in enumerate(settings.webhook.endpoints)}
    for name, url in given.items():
        try:
            parse_webhook_url(url)
        except ValueError as error:
            yield f"{name}: {error}; write it as callers write a callback-url"


def _gateway_certificate(settings: Settings) -> Iterator[str]:
    gateway = settings.gateway
    if gateway.identity.type == "mtls" and (gateway.tls is None or gateway.tls.client_certificates == "none"):
        yield (
            "gateway.identity: mtls needs the gateway's certificate; set gateway.tls with client_ca_file and"
            " client_certificates: required"
        )
