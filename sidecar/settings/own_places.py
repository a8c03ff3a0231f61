"""What belongs to this installation: a callback-url must never lead there, whatever else is allowed."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from sidecar.settings.addresses import HostPort, split_http_url
from sidecar.settings.root import Settings

_POSTGRES = 5432
_DEFAULT_PORTS = {"http": 80, "https": 443}
_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not bound


@dataclass(frozen=True, slots=True)
class OwnPlace:
    """One host and port. ``setting`` names it; ``host`` is ``None`` for a listener on every address of this machine."""

    setting: str
    host: str | None
    port: int


def own_places(settings: Settings) -> list[OwnPlace]:
    """List our own listeners, database, object store, key manager, proxies and services.

    Services, key managers and the object store are left out where a URL of ``webhook.endpoints`` or
    ``webhook.service_users`` has the same host and port: webhooks sit behind the same gateway, or callers keep buckets
    of their own in the same store, and the settings say so.
    """
    named = {place for url in _named_webhooks(settings) for place in _of_url("", url)}
    shared = [place for place in _others(settings) if OwnPlace("", place.host, place.port) not in named]
    return [*_closed(settings), *shared]


def _closed(settings: Settings) -> Iterator[OwnPlace]:
    """Yield what is never shared with webhooks."""
    gateway, callbacks, admin = settings.gateway, settings.callbacks, settings.admin
    yield _listener("gateway.listen", gateway.listen)
    yield _listener("callbacks.listen", callbacks.listen)
    yield _listener("admin.listen", admin.listen)
    yield from _of_url("callbacks.base_url", callbacks.base_url)
    yield from _databases(settings.database.dsn.get_secret_value())
    offload, webhook = settings.offload, settings.webhook
    if offload is not None:
        yield from _of_url("offload.proxy", offload.proxy)
    yield from _of_url("webhook.proxy", webhook.proxy)
    yield from _of_url("services.proxy", settings.services.proxy)
    yield from _of_url("telemetry.otlp_endpoint", settings.telemetry.otlp_endpoint)


def _others(settings: Settings) -> Iterator[OwnPlace]:
    if settings.offload is not None:  # not the public endpoint: consumers reach it anyway
        yield from _of_url("offload.endpoint_url", settings.offload.endpoint_url)
    yield from _of_url("gateway.identity.jwks_url", getattr(settings.gateway.identity, "jwks_url", None))
    for index, user in enumerate(settings.webhook.service_users):
        yield from _of_url(f"webhook.service_users[{index}].token_url", getattr(user, "token_url", None))
        yield from _of_url(f"webhook.service_users[{index}].proxy", getattr(user, "proxy", None))
    for index, route in enumerate(settings.routes):
        for place, service in enumerate(route.services):
            for name in ("url", "sandbox_url"):
                yield from _of_url(f"routes[{index}].services[{place}].{name}", getattr(service, name))


def _named_webhooks(settings: Settings) -> Iterator[str]:
    yield from (endpoint.match for endpoint in settings.webhook.endpoints)
    yield from (user.match for user in settings.webhook.service_users if user.match != "*")


def _listener(setting: str, listen: HostPort) -> OwnPlace:
    return OwnPlace(setting, None if listen.host in _EVERYWHERE else listen.host.lower(), listen.port)


def _of_url(setting: str, url: str | None) -> Iterator[OwnPlace]:
    if url is not None:
        parts = split_http_url(url)
        port = parts.port or _DEFAULT_PORTS[parts.scheme.lower()]
        yield OwnPlace(setting, (parts.hostname or "").lower().rstrip("."), port)


def _databases(dsn: str) -> Iterator[OwnPlace]:
    """Read the hosts of a Postgres URI, of which there can be several; unix sockets are no hosts."""
    parts = urlsplit(dsn)
    query = parse_qs(parts.query)
    hosts = query.get("host") or [parts.netloc.rpartition("@")[2]]
    given = query.get("port", [""])[0].partition(",")[0]
    fallback = int(given) if given.isdigit() else _POSTGRES
    for text in ",".join(hosts).split(","):
        host, port = _host_and_port(text, fallback)
        if host and not host.startswith("/"):
            yield OwnPlace("database.dsn", host.lower().rstrip("."), port)


def _host_and_port(text: str, fallback: int) -> tuple[str, int]:
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, int(rest[1:]) if rest[1:].isdigit() else fallback
    host, colon, port = text.rpartition(":")
    if not colon or ":" in host:
        return text, fallback
    return host, int(port) if port.isdigit() else fallback
