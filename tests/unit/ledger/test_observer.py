"""Who is dead is told by an unchanged beat over the observer's own unbroken observation."""

from sidecar.ledger.workers import Observer


def look_often(observer: Observer, beats: dict[int, int], *, start: float, until: float) -> list[tuple[int, int]]:
    at, dead = start, []
    while at <= until:
        dead = observer.look(beats, at=at)
        at += 3.0
    return dead


def test_an_unchanged_beat_over_the_whole_time_is_death() -> None:
    observer = Observer(15.0)
    assert look_often(observer, {7: 3}, start=100.0, until=114.0) == []
    assert observer.look({7: 3}, at=115.0) == [(7, 3)]


def test_a_beat_in_between_begins_the_time_anew() -> None:
    observer = Observer(15.0)
    look_often(observer, {7: 3, 8: 1}, start=100.0, until=109.0)
    assert look_often(observer, {7: 4, 8: 1}, start=112.0, until=115.0) == [(8, 1)]


def test_an_observer_that_looked_away_begins_anew() -> None:
    observer = Observer(15.0)
    look_often(observer, {7: 3}, start=100.0, until=112.0)
    assert observer.look({7: 3}, at=130.0) == []  # the database was away, or this machine slept
    assert look_often(observer, {7: 3}, start=133.0, until=144.0) == []
    assert observer.look({7: 3}, at=145.0) == [(7, 3)]


def test_a_worker_that_comes_later_has_its_own_time() -> None:
    observer = Observer(15.0)
    look_often(observer, {7: 3}, start=100.0, until=109.0)
    assert look_often(observer, {7: 3, 9: 0}, start=112.0, until=115.0) == [(7, 3)]


def test_a_worker_that_was_buried_is_forgotten() -> None:
    observer = Observer(15.0)
    look_often(observer, {7: 3}, start=100.0, until=115.0)
    assert observer.look({}, at=116.0) == []
