"""What jobs, bodies and credentials are kept with, made of the settings."""

from collections.abc import Sequence

from pydantic import SecretStr

from sidecar.ledger import LedgerConfig
from sidecar.model.callback_url import parse_webhook_url
from sidecar.model.endpoint import EndpointRule
from sidecar.model.errors import ConfigError
from sidecar.model.sealing import Seals, derived_key, parse_key
from sidecar.model.shape import Shape, Shapes, Style
from sidecar.offload.bodies import Bodies, Place
from sidecar.offload.store import ObjectStore
from sidecar.settings.offload import OffloadSettings
from sidecar.settings.root import Settings
from sidecar.settings.secrets import read_secrets


def make_bodies(settings: Settings, store: ObjectStore | None) -> Bodies | None:
    """Tell where each route's large bodies go; ``None`` without an object store."""
    if store is None or settings.offload is None:
        return None
    places = {
        route.path: Place(route.offload.bucket, route.offload.prefix)
        for route in settings.routes
        if route.offload is not None
    }
    return Bodies(store, prefix=settings.offload.prefix, places=places)


def make_shapes(settings: Settings, endpoints: EndpointRule) -> Shapes:
    """Tell up to which size each endpoint is sent bodies directly, and how its objects are marked."""
    own = {}
    for rule in settings.webhook.endpoints:
        if rule.threshold is not None or rule.style is not None:
            direct = settings.threshold if rule.threshold is None else rule.threshold
            own[endpoints.endpoint_of(parse_webhook_url(rule.match))] = Shape(direct, rule.style)
    return Shapes(Shape(settings.threshold), own)


def style_for(shapes: Shapes, endpoints: EndpointRule, callback_url: str) -> Style | None:
    """Tell how an object is marked that is stored for a webhook; ``None`` leaves it to the store."""
    return shapes.of(endpoints.endpoint_of(parse_webhook_url(callback_url))).style if shapes.styled else None


def make_seals(settings: Settings, tokens: Sequence[SecretStr]) -> Seals:
    """Make what seals callers' credentials: with keys of its own, else with keys made of the callback secrets.

    Raises:
        ConfigError: A key cannot be read.
    """
    sealing = settings.sealing
    if sealing.keys is None and sealing.keys_file is None:
        keys = [derived_key(secret.get_secret_value().encode()) for secret in tokens]
        return Seals(keys, names=sealing.headers)
    found = []
    for place, secret in enumerate(read_secrets(sealing.keys, sealing.keys_file), 1):
        try:
            found.append(parse_key(secret.get_secret_value()))
        except ValueError as error:
            raise ConfigError(f"sealing.keys: the one in place {place} {error}") from None
    return Seals(found, names=sealing.headers)


def object_places(settings: Settings, offload: OffloadSettings) -> list[tuple[str | None, str]]:
    """List where objects are: the bucket and prefix of all routes, and of each that has its own."""
    own = [route.offload for route in settings.routes if route.offload is not None]
    found = {(place.bucket, offload.prefix if place.prefix is None else place.prefix) for place in own}
    return [(None, offload.prefix), *sorted(found, key=str)]


def ledger_config(settings: Settings) -> LedgerConfig:
    """Tell how to reach the database."""
    database = settings.database
    return LedgerConfig(
        dsn=database.dsn.get_secret_value(),
        password=database.password.get_secret_value() if database.password else None,
        password_file=database.password_file,
        pool=database.pool,
        pooler=database.pooler,
        statement_timeout=database.statement_timeout,
        dead_after=settings.worker.dead_after,
        retention=settings.retention.jobs,
    )
