"""Settings that this version understands and does not serve yet: told at start, never silently ignored.

Where ignoring a setting would leave something less protected than it says, the sidecar does not start.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sidecar.model.errors import ConfigError
from sidecar.settings.gateway import PerApplication
from sidecar.settings.offload import OffloadSettings
from sidecar.settings.retention import RetentionSettings
from sidecar.settings.root import Settings


@dataclass(frozen=True, slots=True)
class Unserved:
    """One setting that is not served. ``fatal`` ones keep the sidecar from starting."""

    name: str
    why: str
    fatal: bool


def unserved(settings: Settings) -> list[Unserved]:
    """List the settings that are set and not served, the fatal ones first."""
    fatal = [Unserved(name, why, fatal=True) for name, why in _fatal(settings)]
    return fatal + [Unserved(name, why, fatal=False) for name, why in _ignored(settings)]


def refuse_unserved(settings: Settings) -> list[Unserved]:
    """Return the unserved settings that only deserve a warning.

    Raises:
        ConfigError: some protect something and cannot be ignored; it names each.
    """
    found = unserved(settings)
    fatal = [f"{item.name}: {item.why}" for item in found if item.fatal]
    if fatal:
        raise ConfigError("\n".join(fatal))
    return found


def _fatal(settings: Settings) -> Iterator[tuple[str, str]]:
    offload = settings.offload
    if offload is not None and offload.sse.type != "none" and not settings.stores_objects:
        why = "without offload.bucket all bodies stay in Postgres and are not encrypted there; name a bucket"
        yield "offload.sse", why


def _ignored(settings: Settings) -> Iterator[tuple[str, str]]:
    yield from _offload(settings)
    if settings.gateway.per_application != PerApplication() and settings.gateway.identity.type == "none":
        yield "gateway.per_application", "applications are not told apart with gateway.identity of type none"
    if settings.retention.objects != RetentionSettings().objects and not settings.stores_objects:
        yield "retention.objects", "no objects are stored without offload.bucket"


def _offload(settings: Settings) -> Iterator[tuple[str, str]]:
    stays = "without offload.bucket all bodies stay in Postgres, up to database.max_body"
    given = settings.offload is not None and settings.offload != OffloadSettings()
    if given and not settings.stores_objects:
        yield "offload", stays
    for index, endpoint in enumerate(settings.webhook.endpoints):
        if not settings.stores_objects and (endpoint.threshold is not None or endpoint.style is not None):
            yield f"webhook.endpoints[{index}]", stays
    for index, route in enumerate(settings.routes):
        if route.offload is not None and not settings.stores_objects:
            yield f"routes[{index}].offload", stays
        for place, service in enumerate(route.services):
            if service.offer_upload and not settings.stores_objects:
                yield (
                    f"routes[{index}].services[{place}].offer_upload",
                    "no upload links are made without offload.bucket",
                )
