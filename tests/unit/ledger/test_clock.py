"""Job ids carry the database's time, and the order of ids is the order of time."""

from sidecar.ledger.clock import DatabaseClock, boottime, ceiling_id, floor_id

NOON = 1_800_000_000.0


def test_a_new_id_is_a_uuid_7_of_the_databases_time() -> None:
    clock = DatabaseClock()
    at = boottime()
    clock.measure(NOON, sent=at, received=at)
    new = clock.new_id()
    assert (new.version, new.variant) == (7, "specified in RFC 4122")
    assert floor_id(NOON - 1) < new < ceiling_id(NOON + 60)
    assert len({clock.new_id() for _ in range(1000)}) == 1000


def test_a_jump_of_the_databases_clock_shows_until_two_readings_agree() -> None:
    clock = DatabaseClock()
    clock.measure(NOON, sent=10.0, received=10.2)
    assert clock.drift == 0.0
    clock.measure(NOON + 12.0, sent=12.0, received=12.2)
    assert abs(clock.drift - 10.0) < 0.001
    clock.measure(NOON + 14.0, sent=14.0, received=14.2)
    assert abs(clock.drift) < 0.001
