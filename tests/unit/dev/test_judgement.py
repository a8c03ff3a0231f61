"""The tour and ``send --listen`` know when all messages are there, and what is wrong otherwise."""

from multidict import CIMultiDict, CIMultiDictProxy

from sidecar.dev.sending import complete
from sidecar.dev.tour import Expected, judge
from sidecar.dev.webhook import Message

BILLING = Expected("billing", "direct", "succeeded")


def message(service: str, kind: str = "direct", *, cid: str = "c", total: int = 2) -> Message:
    headers = {"x-job-id": "j", "x-correlation-id": cid, "x-result-kind": kind, "x-result-status": "succeeded"}
    headers |= {"x-services-total": str(total), "webhook-id": f"j:{service}"}
    headers |= {"x-service": service} if service else {}
    return Message("POST", "/", CIMultiDictProxy(CIMultiDict(headers)), b"")


def test_all_as_expected_is_said_so() -> None:
    result = judge({"c": (BILLING,), "quiet": ()}, [message("billing"), message("other", cid="somebody")], [])
    assert result.summary() == "tour: 1 of 1 messages received, everything as it should be"


def test_missing_surplus_and_other_troubles_are_each_named() -> None:
    result = judge({"c": (BILLING,), "quiet": ()}, [message("stock"), message("risk", cid="quiet")], ["a trouble"])
    assert (result.received, result.expected) == (0, 1)
    assert result.troubles == (
        "a trouble",
        "missing: direct message of billing (succeeded)",
        "not expected: direct message of stock (succeeded)",
        "not expected: direct message of risk (succeeded)",
    )


def test_a_job_is_complete_with_as_many_messages_as_services_or_with_its_aggregate() -> None:
    assert not complete([], "j")
    assert not complete([message("a")], "j")
    assert complete([message("a"), message("b")], "j")
    assert complete([message("", "aggregate", total=5)], "j")
    assert not complete([message("a", total=1)], "other")
