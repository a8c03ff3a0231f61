from uuid import UUID

from sidecar.deliver.holds import Holds
from sidecar.model.delivery import Delivery
from tests.unit.builders import JOB, make_delivery


def test_messages_of_a_held_job_wait_in_order_until_it_is_opened() -> None:
    released: list[Delivery] = []
    holds = Holds(released.append)
    holds.hold(JOB)
    one, two = make_delivery(service="one"), make_delivery(service="two")
    assert holds.keep(one)
    assert holds.keep(two)
    assert not holds.keep(make_delivery(job_id=UUID(int=1)))
    assert released == []
    holds.open(JOB)
    assert released == [one, two]
    assert not holds.keep(one)


def test_opening_what_is_not_held_does_nothing() -> None:
    released: list[Delivery] = []
    holds = Holds(released.append)
    holds.open(JOB)
    holds.hold(JOB)
    holds.open(JOB)
    holds.open(JOB)
    assert released == []
    assert holds._held == {}
