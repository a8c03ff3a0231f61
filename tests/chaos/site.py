"""The site that faults are injected into: two replicas, what they need, and what is around them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from sidecar.dev.object_store import EmbeddedStore
from sidecar.dev.postgres import EmbeddedPostgres
from tests.acceptance.harness.key_manager import CLIENT, PASSWORD, SECRET, USER, KeyManager
from tests.acceptance.harness.load import load_routes
from tests.acceptance.harness.replica import Replica
from tests.acceptance.harness.retrying import QUICK
from tests.acceptance.harness.site import DYING, Ports, make_settings
from tests.acceptance.harness.tls import Authority
from tests.acceptance.harness.world import Places, World
from tests.chaos.clock import SteppedClock
from tests.chaos.oracle import Oracle
from tests.chaos.story import Story
from tests.chaos.ways import Way

BUCKET = "chaos"
HOOK_PATH = "/crm/1.0/results"
PER_ENDPOINT = 10
"""Messages that one replica sends at once to the webhook."""


@dataclass
class Site:
    """Everything of one run."""

    world: World
    oracle: Oracle
    postgres: EmbeddedPostgres
    store: EmbeddedStore
    to_database: Way
    to_store: Way
    to_webhook: Way
    to_key_manager: Way
    key_manager: KeyManager
    authority: Authority
    dsn: str
    story: Story
    replicas: list[Replica] = field(default_factory=list)
    clocks: list[SteppedClock] = field(default_factory=list)

    @property
    def hook(self) -> str:
        """The callers' webhook, by the way that can fail."""
        return f"https://127.0.0.1:{self.to_webhook.port}{HOOK_PATH}"

    @property
    def gateways(self) -> list[str]:
        return [replica.ports.gateway_url for replica in self.replicas]

    def kill_replicas(self) -> None:
        """Leave no process behind."""
        for replica in self.replicas:
            replica.kill()

    @contextmanager
    def fault(self, what: str) -> Iterator[None]:
        """Tell the story of a fault."""
        self.story.tell(f"{what} ...")
        yield
        self.story.tell(f"{what}: mended")


def make_replicas(site: Site, places: Places, directory: Path, *, count: int = 2) -> None:
    """Make the replicas of a site; the last one has a clock that can be stepped, where that is possible."""
    over = _settings(site, directory)
    ports = [Ports.free() for _ in range(count)]
    dsn = urlsplit(site.dsn)
    by_the_way = urlunsplit(dsn._replace(netloc=f"{dsn.username}:{dsn.password}@127.0.0.1:{site.to_database.port}"))
    for number, own in enumerate(ports, start=1):
        routes = load_routes(places.services_url)
        settings = make_settings(by_the_way, own, routes, callbacks_url=ports[0].callbacks_url, over=over)
        clock = SteppedClock(directory / f"clock-{number}")
        site.clocks.append(clock)
        replica = Replica(directory, own, settings, name=f"replica-{number}", environment=clock.environment)
        site.replicas.append(replica)
    site.world.callbacks.origins = [own.callbacks_url for own in ports]
    site.world.hooks_at = site.hook
    site.world.webhooks.behaviours[HOOK_PATH] = site.oracle.answer


def offloading(store: EmbeddedStore, endpoint_url: str, directory: Path) -> dict[str, Any]:
    """Build the section of the object store, with its keys in files of a folder."""
    keys = {"access_key": store.access_key, "secret_key": store.secret_key}
    for name, key in keys.items():
        (directory / name).write_text(key)
    return {
        "bucket": BUCKET,
        "endpoint_url": endpoint_url,
        "threshold": "16KiB",
        "credentials": {f"{name}_file": str(directory / name) for name in keys},
    }


def _settings(site: Site, directory: Path) -> dict[str, Any]:
    return {
        **DYING,
        "offload": offloading(site.store, f"http://127.0.0.1:{site.to_store.port}", directory),
        "retry": QUICK,
        "webhook": {
            "timeouts": {"connect": "1s", "total": "2s"},
            "concurrency": {"per_endpoint": PER_ENDPOINT},
            "ca_file": str(site.authority.ca_file),
            "service_users": [_service_user(site, directory)],
        },
    }


def _service_user(site: Site, directory: Path) -> dict[str, Any]:
    secrets = {"client_secret_file": SECRET, "password_file": PASSWORD}
    for name, secret in secrets.items():
        (directory / name).write_text(secret)
    return {
        "match": site.hook.removesuffix("results"),
        "type": "oauth2_password",
        "token_url": f"https://127.0.0.1:{site.to_key_manager.port}/oauth2/token",
        "ca_file": str(site.authority.ca_file),
        "client_id": CLIENT,
        "username": USER,
        "scopes": ["device_{worker}"],
        **{name: str(directory / name) for name in secrets},
    }
