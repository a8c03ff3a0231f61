import asyncio

from sidecar.kit.background import Background


class Bench:
    def __init__(self) -> None:
        self.errors: list[BaseException] = []
        self.background = Background(self.errors.append)
        self.done: list[int] = []

    async def work(self, number: int) -> None:
        await asyncio.sleep(0)
        if number:
            self.background.spawn(self.work(number - 1))
        self.done.append(number)


async def test_draining_waits_for_the_work_and_for_what_it_spawns() -> None:
    bench = Bench()
    bench.background.spawn(bench.work(3))
    await bench.background.drain(10)
    assert bench.done == [3, 2, 1, 0]
    await bench.background.drain(10)


async def test_what_takes_too_long_is_cancelled_and_that_is_no_error() -> None:
    bench = Bench()
    bench.background.spawn(asyncio.Event().wait())
    await bench.background.drain(0)
    assert not bench.background._tasks
    assert bench.errors == []


async def test_an_error_is_told_and_the_others_go_on() -> None:
    async def bad() -> None:
        raise ValueError("bad")

    bench = Bench()
    bench.background.spawn(bad())
    bench.background.spawn(bench.work(0))
    await bench.background.drain(10)
    assert [str(error) for error in bench.errors] == ["bad"]
    assert bench.done == [0]
