"""The egress guard: strangers' URLs are judged when they come, and again by the address that is really dialled."""

import errno
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar, Token
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from typing import Any, Final, TypeVar

from sidecar.model.callback_url import WebhookUrl, parse_webhook_url
from sidecar.model.egress import EgressPolicy, Refusal, Target
from sidecar.outbound.names import Answer, Names, NamesResolver
from sidecar.outbound.own import KnownPlaces
from sidecar.outbound.requests import Failure, FailureKind, Reply
from sidecar.outbound.sessions import Dialling
from sidecar.outbound.users import Post
from sidecar.settings.own_places import own_places
from sidecar.settings.root import Settings
from sidecar.telemetry.events import Event
from sidecar.telemetry.log import EventLog
from sidecar.telemetry.metrics import Metrics

LOOKUP: Final = 1.0  # seconds that accepting a request waits for a name
MAX_URL: Final = 4096  # bytes; an upload-url's limit
_REMEMBERED: Final = 4096  # verdicts


@dataclass(slots=True)
class Dial:
    """One attempt to connect: for what, and what became of it."""

    target: Target
    refusal: Refusal | None = None
    opened: bool = False  # some address was dialled
    _token: "Token[Dial] | None" = None

    def __enter__(self) -> None:
        self._token = _DIAL.set(self)

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            _DIAL.reset(self._token)

    @property
    def refused(self) -> Refusal | None:
        """Why nothing was dialled at all; ``None`` where something was."""
        return None if self.opened else self.refusal


T = TypeVar("T")

_DIAL: ContextVar[Dial] = ContextVar("dial")


class Refused(OSError):  # noqa: N818 - named for what it says
    """An address that may not be dialled."""


class Egress:
    """Judge URLs, and hold connections to the verdict.

    Args:
        policy: The rules.
        names: Looks names up.
        own: What belongs to us.
        proxied: A forward proxy connects in our place, so that only the addresses that we find ourselves are judged.
    """

    def __init__(self, policy: EgressPolicy, *, names: Names, own: KnownPlaces, proxied: bool = False) -> None:
        self.names = names
        self.own = own
        self.proxied = proxied
        self._policy = policy
        self._places: dict[tuple[str, int], Target | Refusal] = {}
        self._targets: dict[str, Target | Refusal] = {}  # the same by whole URLs, which need not be parsed again
        self._verdicts: dict[tuple[str, int], tuple[Answer, Refusal | None]] = {}
        self._changes = own.changes

    def ways(self, *, connect_timeout: float) -> Dialling | None:
        """Say how a session connects, seconds to a connection given; ``None``: the proxy does."""
        if self.proxied:
            return None
        return Dialling(NamesResolver(self.names, within=connect_timeout), self.open_socket)

    async def refusal(self, url: WebhookUrl) -> Refusal | None:
        """Judge a URL by its name and all the addresses that it has now.

        A name that cannot be resolved now is not refused: what is dialled later is judged then.
        """
        target = self._target_of(url)
        if isinstance(target, Refusal) or target.address is not None:
            return target if isinstance(target, Refusal) else None
        answer = self.names.known(target.host) or await self.names.find(target.host, within=LOOKUP)
        return self._verdict(target, answer)

    def dial(self, url: str) -> Dial | Refusal:
        """Prepare to connect to a URL: inside ``with`` the dial, :meth:`open_socket` knows what for."""
        target = self._targets.get(url)
        if target is None or self._changes != self.own.changes:
            target = self._target_of(parse_webhook_url(url, max_bytes=MAX_URL))
        return target if isinstance(target, Refusal) else Dial(target)

    async def behind_proxy(self, dial: Dial) -> Dial | Refusal:
        """Judge what a proxy is going to be asked for, by the addresses that we find."""
        if dial.target.address is not None:
            return dial
        return self._verdict(dial.target, await self.names.find(dial.target.host, within=LOOKUP)) or dial

    def open_socket(self, info: tuple[Any, ...]) -> socket.socket:
        """Make the socket for an address that is about to be dialled (aiohttp's ``socket_factory``).

        Raises:
            Refused: It may not be dialled, or nobody has said what for.
        """
        family, kind, protocol, _, address = info
        dial = _DIAL.get(None)
        if dial is None:
            raise Refused(errno.EACCES, "an address is dialled without a target")
        refusal = self._policy.refuses(dial.target, ip_address(str(address[0]).partition("%")[0]))
        if refusal is not None:
            dial.refusal = refusal
            raise Refused(errno.EACCES, "the address may not be dialled")
        dial.opened = True
        return socket.socket(family, kind, protocol)

    def _target_of(self, url: WebhookUrl) -> Target | Refusal:
        if self._changes != self.own.changes:
            self._changes = self.own.changes
            self._places.clear()
            self._targets.clear()
            self._verdicts.clear()
        target = self._places.get((url.host, url.port))
        if target is None:
            target = self._policy.target(url.host, url.port)
            if len(self._places) >= _REMEMBERED:
                self._places.clear()
            self._places[url.host, url.port] = target
        if len(self._targets) >= _REMEMBERED:
            self._targets.clear()
        self._targets[url.text] = target
        return target

    def _verdict(self, target: Target, answer: Answer) -> Refusal | None:
        """Refuse a name of which any address may not be called: that is how rebinding begins."""
        known = self._verdicts.get((target.host, target.port))
        if known is not None and known[0] is answer:
            return known[1]
        refusals = (self._policy.refuses(target, address) for address in answer.addresses)
        refusal = next((refusal for refusal in refusals if refusal is not None), None)
        if len(self._verdicts) >= _REMEMBERED:
            self._verdicts.clear()
        self._verdicts[target.host, target.port] = (answer, refusal)
        return refusal


class Guarded:
    """Run what connects to strangers' URLs, unless they may not be called.

    Args:
        egress: The guard, whose ``open_socket`` the sessions use.
        told: Told of each refusal.
    """

    def __init__(self, egress: Egress, *, told: Callable[[WebhookUrl, Refusal], None]) -> None:
        self._egress = egress
        self._told = told

    @property
    def resolver_away(self) -> bool:
        """Whether a name that cannot be resolved is our trouble: our own names cannot be either."""
        return self._egress.own.unresolvable

    async def run(self, url: str, act: Callable[[], Awaitable[T]]) -> T | Refusal:
        """Run ``act``, which connects to ``url``; return what came of it, or why nothing was connected to."""
        dial = self._egress.dial(url)
        if self._egress.proxied and isinstance(dial, Dial):
            dial = await self._egress.behind_proxy(dial)
        if isinstance(dial, Dial):
            with dial:
                result = await act()
            if dial.refused is None:
                return result
            dial = dial.refused
        self._told(parse_webhook_url(url, max_bytes=MAX_URL), dial)
        return dial

    async def send(
        self, send: Post, *, url: str, headers: Sequence[tuple[str, str]], body: bytes, timeout: float
    ) -> Reply | Failure:
        """Send one request by ``send``; a refusal is a failure of its own kind."""
        answer = await self.run(url, partial(send, url=url, headers=headers, body=body, timeout=timeout))
        if isinstance(answer, Refusal):
            return Failure(FailureKind.EGRESS, sent=False, detail=answer.reason)
        return answer


def refusal_teller(*, log: EventLog, metrics: Metrics) -> Callable[[WebhookUrl, Refusal], None]:
    """Tell refusals at the dial to the log and the metrics."""

    def told(url: WebhookUrl, refusal: Refusal) -> None:
        metrics.egress_refused("dial", refusal.reason)
        host = f"{url.host}:{url.port}"
        log.warning(Event.EGRESS_REFUSED, stage="dial", host=host, reason=refusal.reason, detail=refusal.detail)

    return told


def make_egress(settings: Settings, names: Names | None = None) -> Egress:
    """Make the guard that the settings describe; its own places are not looked up yet."""
    webhook = settings.webhook
    names = names or Names()
    own = KnownPlaces(own_places(settings), names)
    policy = EgressPolicy(
        ports=webhook.open_ports,
        allow_hosts=webhook.allow_hosts,
        allow_networks=webhook.allow_networks,
        deny_networks=webhook.deny_networks,
        own=own,
    )
    return Egress(policy, names=names, own=own, proxied=webhook.proxy is not None)
