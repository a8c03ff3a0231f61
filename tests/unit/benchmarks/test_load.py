"""What the load generator sends, reads and counts."""

import pytest

from benchmarks.load.bodies import callback_message, ident_of, request_body, request_message, result_body
from benchmarks.load.counts import Counts, Job
from benchmarks.load.offer import Load
from benchmarks.load.webhook import Webhook
from benchmarks.load.wire import Client, Place, Pool, WireError, field, request_any, split

IDENT = b"0000000000000042"


@pytest.mark.parametrize("size", [256, 1024, 4096])
def test_bodies_have_the_size_asked_for_and_name_their_job(size: int) -> None:
    for body in (request_body(IDENT, size), result_body(IDENT, size)):
        assert len(body) == size
        assert ident_of(body) == IDENT
    assert request_body(IDENT, size) != result_body(IDENT, size)


def test_a_message_is_cut_off_once_it_is_complete() -> None:
    message = b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"
    assert split(message[:-1]) is None
    assert split(message + b"POST") == (b"POST / HTTP/1.1\r\nContent-Length: 3", b"abc", b"POST")


def test_a_header_is_found_whatever_its_case_and_place() -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nCallback-URL:  http://b/X "
    assert field(head, b"callback-url") == b"http://b/X"
    assert field(head, b"host") == b"a"
    assert field(head, b"absent") is None


def test_a_chunked_body_is_refused_rather_than_misread() -> None:
    with pytest.raises(WireError):
        split(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")


def test_requests_and_callbacks_are_framed_and_say_where_results_go() -> None:
    cut = split(request_message(IDENT, path=b"/bench-5", webhook=8080, size=1024))
    assert cut is not None
    assert cut[0].startswith(b"POST /bench-5 HTTP/1.1")
    assert field(cut[0], b"callback-url") == b"http://127.0.0.1:8080/hooks/1.0/" + IDENT
    assert cut[1:] == (request_body(IDENT, 1024), b"")
    back = split(callback_message(IDENT, path=b"/c/1", size=1024))
    assert back is not None
    assert back[1:] == (result_body(IDENT, 1024), b"")


def message(ident: str, number: int) -> bytes:
    head = f"POST /hooks/1.0/{IDENT.decode()} HTTP/1.1\r\nwebhook-id: {ident}\r\n"
    return head.encode() + b"content-length: 1024\r\n\r\n" + (result_body(IDENT, 1024) if number else b"x" * 1024)


async def receive(webhook: Webhook, *messages: bytes) -> None:
    client = await Client.connect(await webhook.open())
    for one in messages:
        assert (await client.request(one))[0] == 200
    client.close()
    await webhook.close()


async def test_a_job_is_done_when_each_of_its_services_was_heard_once() -> None:
    webhook, counts, job = Webhook(), Counts(), Job(0.0, messages=2)
    webhook.begin(Load((), (), services=2), counts)
    arrived = webhook.expect(IDENT, job)
    await receive(webhook, message("a", 1), message("a", 1))
    assert not arrived.done()
    assert counts.unexpected == 1
    await receive(webhook, message("b", 1), message("b", 1))
    assert arrived.done()
    assert (counts.unexpected, counts.wrong) == (2, 0)


async def test_a_message_whose_sender_is_gone_was_not_taken() -> None:
    webhook, counts = Webhook(), Counts()
    webhook.begin(Load((), (), webhook_takes=0.01), counts)
    arrived = webhook.expect(IDENT, Job(0.0, messages=1))
    port = await webhook.open()
    first, second = await Client.connect(port), await Client.connect(port)
    answer = first.request(message("a", 1))
    first.close()
    with pytest.raises(WireError):
        await answer
    assert (await second.request(message("b", 1)))[0] == 200
    second.close()
    await webhook.close()
    assert arrived.done()
    assert counts.unexpected == 0


async def test_a_request_goes_to_the_next_port_where_nobody_takes_the_connection() -> None:
    load = Load((), callbacks=(1, 2), patient=True)
    assert [load.callbacks_from(turn) for turn in range(3)] == [(1, 2), (2, 1), (1, 2)]
    webhook, gone = Webhook(), Webhook()
    webhook.begin(load, Counts())
    refusing, taking = Pool(await gone.open()), Pool(await webhook.open())
    await gone.close()
    assert (await request_any([refusing, taking], message("a", 1)))[0] == 200
    with pytest.raises(ConnectionRefusedError):
        await request_any([refusing], message("a", 1))
    taking.close()
    await webhook.close()


async def test_a_message_that_was_changed_on_its_way_is_counted() -> None:
    webhook, counts = Webhook(), Counts()
    webhook.begin(Load((), ()), counts)
    arrived = webhook.expect(IDENT, Job(0.0, messages=1))
    await receive(webhook, message("a", 0))
    assert (arrived.done(), counts.wrong) == (False, 1)


async def test_a_place_that_is_away_breaks_what_is_open_refuses_and_comes_back() -> None:
    place = Place(lambda _head, _body: b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    port = await place.open()
    client = await Client.connect(port)
    asked = client.request(b"GET / HTTP/1.1\r\n\r\n")
    assert await asked == (200, b"")
    await place.close()
    with pytest.raises(OSError, match=r".*"):
        await Client.connect(port)
    with pytest.raises(OSError, match=r".*"):
        await client.request(b"GET / HTTP/1.1\r\n\r\n")
    assert await place.open() == port
    again = await Client.connect(port)
    assert await again.request(b"GET / HTTP/1.1\r\n\r\n") == (200, b"")
    again.close()
    await place.close()
