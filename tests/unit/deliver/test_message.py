import pytest

from sidecar.deliver.content import Content
from sidecar.deliver.message import message_headers
from sidecar.model.delivery import Delivery
from sidecar.model.messages import JSON_HEADERS
from sidecar.model.outcome import MessageKind, ResultStatus
from tests.unit.builders import JOB, TRACE, make_delivery, make_retry


def plain(delivery: Delivery) -> Content:
    return Content(delivery.kind, delivery.headers, delivery.body)


def sent(delivery: Delivery) -> dict[str, str]:
    headers = message_headers(delivery, plain(delivery), timestamp=1767323045)
    assert len(dict(headers)) == len(headers)
    return dict(headers)


def test_a_message_says_what_it_is() -> None:
    headers = sent(make_delivery(attempts=2, services_total=3))
    trace = headers.pop("traceparent")
    assert (trace[:36], trace[52:]) == (TRACE[:36], TRACE[52:])
    assert trace != TRACE
    assert headers == {
        "content-type": "application/json",
        "x-correlation-id": "c-1",
        "x-job-id": str(JOB),
        "x-service": "billing",
        "x-result-status": "succeeded",
        "x-result-kind": "direct",
        "x-attempt": "3",
        "x-services-total": "3",
        "webhook-id": f"{JOB}:billing:succeeded",
        "webhook-timestamp": "1767323045",
    }


def test_an_aggregate_is_of_no_single_service() -> None:
    headers = sent(make_delivery(service="", kind=MessageKind.AGGREGATE, status=ResultStatus.PARTIAL))
    assert "x-service" not in headers
    assert (headers["webhook-id"], headers["x-result-kind"]) == (f"{JOB}:all:partial", "aggregate")


@pytest.mark.parametrize("attempts", [0, 5])
def test_the_id_is_the_same_on_every_attempt(attempts: int) -> None:
    assert sent(make_delivery(attempts=attempts))["webhook-id"] == f"{JOB}:billing:succeeded"


def test_the_headers_of_the_content_come_first_and_as_they_were() -> None:
    block = 'Content-Type: text/csv\r\ncontent-disposition: attachment; filename="größe.csv"'.encode()
    delivery = make_delivery(headers=block, traceparent=None)
    headers = message_headers(delivery, plain(delivery), timestamp=0)
    assert headers[:2] == [
        ("Content-Type", "text/csv"),
        ("content-disposition", 'attachment; filename="größe.csv"'),
    ]
    assert "traceparent" not in dict(headers)


def test_what_is_sent_again_says_the_same_and_how_often_it_was_tried() -> None:
    retry = make_retry(attempts=4, retry_count=3, message_id=f"{JOB}:billing:succeeded:r1")
    headers = dict(message_headers(retry, Content(MessageKind.INDIRECT, JSON_HEADERS, b"{}"), timestamp=0))
    assert headers["webhook-id"] == f"{JOB}:billing:succeeded:r1"
    assert (headers["x-attempt"], headers["x-result-kind"], headers["x-service"]) == ("5", "indirect", "billing")


def test_an_aggregate_that_is_sent_again_is_of_no_single_service_either() -> None:
    retry = make_retry(service="", kind=MessageKind.AGGREGATE)
    assert "x-service" not in dict(message_headers(retry, Content(retry.kind, b"", b""), timestamp=0))
