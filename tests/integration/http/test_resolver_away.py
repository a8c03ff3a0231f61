"""Whether a name that cannot be resolved is a webhook's trouble or ours: our own names tell."""

import socket
from collections.abc import Sequence
from functools import partial

import pytest

from sidecar.outbound.egress import Guarded, make_egress
from sidecar.outbound.names import Names
from sidecar.outbound.requests import Failure, FailureKind, send
from sidecar.sending import open_webhooks
from tests.unit.settings.builders import make_settings

PUBLIC = "93.184.215.14"
WEBHOOK = "https://hooks.example/crm/1.0/results"


class NameServers:
    """Answer for names that they know, and for none while they are away."""

    def __init__(self) -> None:
        self.away = False
        self.unheard: set[str] = {"hooks.example"}  # whose own servers do not answer
        self.now = 0.0

    def lookup(self, host: str) -> Sequence[str]:
        if self.away or host in self.unheard:
            raise socket.gaierror(socket.EAI_AGAIN, "try again")
        return (PUBLIC,)


@pytest.mark.parametrize("away", [False, True])
async def test_only_when_our_own_names_get_no_answer_either_it_is_our_trouble(*, away: bool) -> None:
    servers = NameServers()
    settings = make_settings()  # its database, its services and its own address have names
    egress = make_egress(settings, Names(servers.lookup, clock=lambda: servers.now))
    guard = Guarded(egress, told=lambda *_: None)
    await egress.own.run_once()
    assert not guard.resolver_away
    servers.away, servers.now = away, 31.0
    await egress.own.run_once()
    async with open_webhooks(settings, egress) as session:
        post = partial(send, session, method="POST", max_response=100)
        answer = await guard.send(post, url=WEBHOOK, headers=[], body=b"", timeout=60)
    assert answer == Failure(FailureKind.DNS, sent=False)
    assert guard.resolver_away is away
    servers.away, servers.now = False, 62.0
    await egress.own.run_once()
    assert not guard.resolver_away
    await egress.names.stop()
