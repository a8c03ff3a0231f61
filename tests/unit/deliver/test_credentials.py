"""The delivering stage and its service users: what is put off, and what that does to others."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from sidecar.deliver.circuits import THRESHOLD
from sidecar.deliver.decide import PutOff
from sidecar.deliver.waits import Waits
from sidecar.model.delivery import DeliveryEnd, DeliveryState
from sidecar.model.reasons import DeliveryReason, OwnReason
from sidecar.model.retry import RetryEnd, RetryVerdict
from sidecar.model.url_prefix import UrlPrefix
from sidecar.outbound.requests import Failure, FailureKind
from sidecar.outbound.service_users import Place, ServiceUsers
from sidecar.outbound.tokens import Unready
from sidecar.outbound.users import Credentials, ServiceUser
from tests.unit.builders import WEBHOOK, make_delivery, make_reply, make_retry
from tests.unit.deliver.bench import Bench

HERE = make_delivery().endpoint
AWAY = Unready(OwnReason.KEY_MANAGER_AWAY, 20.0)
FIRST, SECOND = (Credentials((("authorization", f"Bearer {name}"),)) for name in ("first", "second"))


class User:
    """Shows what it is told to, in turn."""

    kind = "test"

    def __init__(self, *shown: Credentials | Unready, renewed: Credentials | Unready | None = None) -> None:
        self.shown = list(shown)
        self.other = renewed
        self.blocked = False
        self.refused: list[Credentials] = []

    async def credentials(self) -> Credentials | Unready:
        shown = self.shown.pop(0) if len(self.shown) > 1 else self.shown[0]
        self.blocked = isinstance(shown, Unready)
        return shown

    async def renewed(self, refused: Credentials) -> Credentials | Unready | None:
        self.refused.append(refused)
        self.blocked = isinstance(self.other, Unready)
        return self.other

    async def close(self) -> None:
        pass


def users(**prefixes: ServiceUser) -> ServiceUsers:
    paths = {"crm": "crm/", "version": "crm/1.0/", "deep": "crm/1.0/results/"}
    return ServiceUsers(
        [Place(UrlPrefix.parse(f"https://hooks.example/{paths[name]}"), user) for name, user in prefixes.items()]
    )


def shown(bench: Bench) -> Sequence[str | None]:
    return [sent["headers"].get("authorization") for sent in bench.sent]


async def test_a_message_shows_what_its_service_user_has() -> None:
    bench = Bench(users=users(version=User(FIRST)))
    await bench.handle(make_delivery(), make_delivery(claim=2, callback_url="https://elsewhere.example/x"))
    assert shown(bench) == ["Bearer first", None]


async def test_a_first_message_without_credentials_is_put_off_untried_and_says_why() -> None:
    bench = Bench(users=users(version=User(AWAY)))
    await bench.handle(make_delivery())
    (end,) = bench.ledger.ends
    wanted = ("key_manager_unavailable", DeliveryState.OPEN, None, 1.0, False)
    assert (end.reason, end.state, end.status, end.retry_in, end.attempted) == wanted
    assert bench.sent == []
    assert bench.endpoints.written == []
    assert bench.lines.names() == ["delivery.put_off"]
    assert b'sidecar_deliveries_put_off_total{reason="key_manager_unavailable"} 1.0' in await bench.metrics.expose()


async def test_a_retry_without_credentials_is_put_off_untried_and_says_why() -> None:
    bench = Bench(users=users(version=User(AWAY)))
    await bench.handle(make_retry(attempts=4, retry_count=3))
    (end,) = bench.ledger.retried
    assert isinstance(end, RetryEnd)
    assert (end.verdict, end.reason, end.delay) == (RetryVerdict.DEFERRED, "key_manager_unavailable", 1.0)


async def test_nothing_more_is_claimed_or_handed_over_for_an_endpoint_whose_user_has_no_credentials() -> None:
    user = User(AWAY)
    bench = Bench(users=users(version=user))
    await bench.handle(make_delivery())
    assert bench.deliver.full_endpoints() == [HERE]
    assert await bench.deliver.places(HERE, 5) == 0
    user.blocked = False
    assert bench.deliver.full_endpoints() == []
    assert await bench.deliver.places(HERE, 5) == 5


async def test_what_waits_in_the_lane_of_a_blocked_user_is_put_off_without_being_rendered() -> None:
    user = User(AWAY)
    user.blocked = True
    bench = Bench(users=users(version=user))
    bench.ledger.readable = False  # an aggregate could not be rendered
    await bench.handle(make_delivery(service="", headers=b"", body=b""))
    assert [end.reason for end in bench.ledger.ends] == ["key_manager_unavailable"]


async def test_where_prefixes_divide_an_endpoint_a_user_without_credentials_holds_up_only_its_own() -> None:
    bench = Bench(users=users(version=User(FIRST), deep=User(AWAY)))
    await bench.handle(make_delivery(callback_url=f"{WEBHOOK}/x"), make_delivery(claim=2))
    assert [(end.state, end.retry_in) for end in bench.ledger.ends if not end.attempted] == [(DeliveryState.OPEN, 20.0)]
    assert shown(bench) == ["Bearer first"]
    assert await bench.deliver.places(HERE, 5) == 5
    assert bench.deliver.full_endpoints() == []


async def test_a_401_is_answered_at_once_with_other_credentials_in_the_same_attempt() -> None:
    user = User(FIRST, renewed=SECOND)
    bench = Bench(make_reply(401), make_reply(204), users=users(crm=user))
    await bench.handle(make_delivery())
    assert shown(bench) == ["Bearer first", "Bearer second"]
    assert {sent["headers"]["x-attempt"] for sent in bench.sent} == {"1"}
    assert [(end.state, end.status) for end in bench.ledger.ends] == [(DeliveryState.DELIVERED, 204)]
    assert user.refused == [FIRST]


@pytest.mark.parametrize("user", [User(FIRST, renewed=SECOND), User(FIRST), None])
async def test_a_401_that_other_credentials_do_not_cure_is_final(user: User | None) -> None:
    bench = Bench(make_reply(401), make_reply(401), users=users(crm=user) if user else None)
    await bench.handle(make_delivery())
    (end,) = bench.ledger.ends
    assert (end.state, end.status, end.reason) == (DeliveryState.FAILED, 401, DeliveryReason.UNAUTHORIZED)


async def test_a_401_while_the_key_manager_is_away_counts_no_attempt() -> None:
    bench = Bench(make_reply(401), users=users(crm=User(FIRST, renewed=AWAY)))
    await bench.handle(make_delivery())
    (end,) = bench.ledger.ends
    assert (end.state, end.attempted, end.reason) == (DeliveryState.OPEN, False, "key_manager_unavailable")


async def test_credentials_of_a_connection_go_their_own_way() -> None:
    ways: list[str] = []

    async def post(*, url: str, headers: object, body: bytes, timeout: float) -> Failure:  # noqa: ARG001 - a protocol
        ways.append(url)
        return Failure(FailureKind.TLS, sent=False, detail="certificate has expired")

    bench = Bench(users=users(crm=User(replace(FIRST, headers=(), post=post))))
    await bench.handle(make_delivery())
    assert (ways, bench.sent) == ([WEBHOOK], [])
    (line,) = bench.lines.events()
    assert (line["reason"], line["detail"]) == ("tls", "certificate has expired")


@pytest.mark.parametrize(("code", "reason"), [(900908, "not_subscribed"), (900910, "scope_missing"), (1, "forbidden")])
async def test_wso2_tells_why_it_forbids(code: int, reason: str) -> None:
    bench = Bench(make_reply(403, body=f'{{"code": "{code}"}}'.encode()))
    await bench.handle(make_delivery())
    end = bench.ledger.ends[0]
    assert isinstance(end, DeliveryEnd)
    assert (end.state, end.status, end.reason) == (DeliveryState.FAILED, 403, reason)


DNS = Failure(FailureKind.DNS, sent=False)


async def test_a_name_that_cannot_be_resolved_is_the_webhooks_trouble_while_others_can() -> None:
    bench = Bench(DNS)
    await bench.handle(make_delivery())
    assert [(end.state, end.attempted, end.reason) for end in bench.ledger.ends] == [("retrying", True, "dns")]


async def test_while_no_name_can_be_resolved_messages_are_put_off_and_no_circuit_opens() -> None:
    bench = Bench(*[DNS] * THRESHOLD)
    bench.guard.resolver_away = True
    await bench.handle(*(make_delivery(claim=claim) for claim in range(THRESHOLD)))
    ends = {(end.state, end.attempted, end.reason, end.retry_in) for end in bench.ledger.ends}
    assert ends == {("open", False, "resolver_unavailable", 10.0)}
    assert bench.endpoints.written == []
    assert "delivery.attempted" not in bench.lines.names()
    assert (bench.deliver.full_endpoints(), await bench.deliver.places(HERE, 5)) == ([HERE], 0)


async def test_a_message_that_found_all_connections_in_use_is_put_off_untried() -> None:
    bench = Bench(*[Failure(FailureKind.POOL, sent=False)] * THRESHOLD)
    await bench.handle(*(make_delivery(claim=claim) for claim in range(THRESHOLD)))
    assert {(end.state, end.attempted, end.reason) for end in bench.ledger.ends} == {
        ("open", False, "connections_busy")
    }
    assert bench.endpoints.written == []


def test_what_was_put_off_for_the_resolver_is_claimed_again_in_time() -> None:
    now = [0.0]
    waits = Waits(ServiceUsers(), clock=lambda: now[0])
    waits.put_off(HERE, PutOff(OwnReason.RESOLVER_AWAY, 10.0))
    waits.put_off("https://elsewhere.example:443", PutOff(OwnReason.STORE_UNAVAILABLE, 5.0))
    assert (waits.holds(HERE), waits.names()) == (True, [HERE])
    now[0] = 10.0
    assert (waits.holds(HERE), waits.names()) == (False, [])
