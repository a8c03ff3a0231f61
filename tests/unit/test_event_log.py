import asyncio
import io
import json
import logging
import threading
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from sidecar.model.reasons import DeliveryReason
from sidecar.telemetry.events import Event
from sidecar.telemetry.log import FLUSH_AT, EventLog, LogBuffer, make_log, route_standard_logging


class Stream(io.BytesIO):
    """A stream that remembers how often it was written to, and tells waiters."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0
        self.written = asyncio.Event()

    def flush(self) -> None:
        self.writes += 1
        self.written.set()

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


def make(level: str = "info", log_format: str = "json") -> tuple[EventLog, Stream]:
    stream = Stream()
    return make_log(log_format, level, stream), stream


def test_a_line_holds_time_level_event_and_fields() -> None:
    log, stream = make()
    job = UUID("0190a7f0-0000-7000-8000-000000000001")
    log.info(Event.JOB_ACCEPTED, job_id=job, reason=DeliveryReason.DNS, seconds=0.25, status=None)
    (line,) = stream.lines()
    when = datetime.fromisoformat(str(line.pop("ts")))
    assert when.tzinfo == UTC
    assert line == {
        "level": "info",
        "event": "job.accepted",
        "job_id": str(job),
        "reason": "dns",
        "seconds": 0.25,
        "status": None,
    }


@pytest.mark.parametrize(
    ("level", "written"),
    [("debug", "debug info warning error"), ("info", "info warning error"), ("error", "error")],
)
def test_less_important_levels_are_left_out(level: str, written: str) -> None:
    log, stream = make(level)
    for write in (log.debug, log.info, log.warning, log.error):
        write(Event.STARTED)
    assert [line["level"] for line in stream.lines()] == written.split()


def test_bound_fields_are_on_every_line() -> None:
    log, stream = make()
    bound = log.bind(worker=3)
    bound.info(Event.STARTED)
    assert stream.lines()[0]["worker"] == 3


async def test_lines_are_gathered_and_written_together_after_a_moment() -> None:
    log, stream = make()
    for number in range(50):
        log.info(Event.STARTED, number=number)
    assert stream.writes == 0
    await stream.written.wait()
    assert stream.writes == 1
    assert [line["number"] for line in stream.lines()] == list(range(50))


async def test_a_full_buffer_is_written_at_once() -> None:
    log, stream = make()
    log.info(Event.STARTED, filling="x" * FLUSH_AT)
    assert stream.writes == 1


async def test_flushing_writes_what_is_there() -> None:
    log, stream = make()
    log.info(Event.STOPPED)
    log.flush()
    log.flush()
    assert (stream.writes, len(stream.lines())) == (1, 1)


def test_threads_may_log() -> None:
    log, stream = make()

    def write() -> None:
        for _ in range(100):
            log.info(Event.STARTED)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stream.lines()) == 400


def test_a_broken_stream_costs_lines_not_work() -> None:
    stream = Stream()
    buffer = LogBuffer(stream)
    stream.close()
    buffer.write(b"{}")
    assert buffer.lost == 1


def raised(error: Exception) -> Exception:
    try:
        raise error from OSError("inner s3cr3t")
    except type(error) as caught:
        return caught


def test_an_exception_is_told_by_type_and_place_not_by_its_words() -> None:
    log, stream = make()
    log.error(Event.TASK_FAILED, exc_info=raised(ValueError("s3cr3t")))
    (line,) = stream.lines()
    exception = line["exception"]
    assert isinstance(exception, dict)
    assert (exception["type"], exception["cause"]) == ("ValueError", "OSError")
    assert exception["at"][-1].endswith(" raised")
    assert "s3cr3t" not in stream.getvalue().decode()


def test_at_level_debug_the_words_of_an_exception_are_told_too() -> None:
    log, stream = make("debug")
    log.error(Event.TASK_FAILED, exc_info=raised(ValueError("s3cr3t")))
    assert "s3cr3t" in stream.getvalue().decode()


@pytest.mark.parametrize("level", ["info", "debug"])
def test_the_pretty_form_is_for_people(level: str) -> None:
    log, stream = make(level, "pretty")
    log.error(Event.TASK_FAILED, exc_info=raised(ValueError("words")), task="beat")
    text = stream.getvalue().decode()
    assert "task.failed" in text
    assert "task=beat" in text
    assert "ValueError" in text
    assert ("words" in text) == (level == "debug")


def test_what_libraries_log_becomes_an_event() -> None:
    log, stream = make()
    undo = route_standard_logging(log)
    try:
        logging.getLogger("aiohttp.server").warning("odd %s", "x" * 1000)
        logging.getLogger("asyncio").error("failed", exc_info=raised(KeyError("s3cr3t")))
        logging.getLogger("asyncio").info("chatter")
    finally:
        undo()
    logging.getLogger("asyncio").error("after")
    first, second = stream.lines()
    assert (first["event"], first["level"], first["logger"]) == ("library.message", "warning", "aiohttp.server")
    assert len(str(first["message"])) == 500
    assert second["level"] == "error"
    assert "s3cr3t" not in stream.getvalue().decode()


async def test_what_the_loop_has_nobody_to_tell_is_logged() -> None:
    log, stream = make()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(log.loop_exception)
    loop.call_exception_handler({"message": "lost", "exception": raised(ValueError("s3cr3t"))})
    log.flush()
    (line,) = stream.lines()
    assert (line["event"], line["message"]) == ("task.failed", "lost")
    assert "s3cr3t" not in stream.getvalue().decode()


def test_the_level_changes_while_it_runs_and_says_so() -> None:
    log, stream = make("warning")
    log.set_level("debug")
    log.debug(Event.TASK_FAILED, exc_info=ValueError("words"))
    log.set_level("warning")
    log.info(Event.STARTED)
    log.error(Event.TASK_FAILED, exc_info=ValueError("words"))
    log.flush()
    lines = stream.lines()
    assert [line["event"] for line in lines] == [
        *("log.level_changed", "task.failed", "log.level_changed", "task.failed"),
    ]
    assert ["message" in str(line["exception"]) for line in lines if "exception" in line] == [True, False]


class Dripping(io.RawIOBase):
    """A stream without a buffer, as PYTHONUNBUFFERED makes it: it takes a few bytes at a time, nothing in the end."""

    def __init__(self, room: int) -> None:
        self.taken = b""
        self.room = room

    def write(self, data: Any) -> int | None:
        part = bytes(data[: min(7, self.room)])
        self.taken += part
        self.room -= len(part)
        return len(part) or None


def test_a_stream_that_takes_a_part_gets_the_rest_too() -> None:
    stream = Dripping(room=10_000)
    buffer = LogBuffer(stream)  # type: ignore[arg-type]  # it can write
    buffer.write(b"a line that is longer than seven bytes")
    assert (stream.taken, buffer.lost) == (b"a line that is longer than seven bytes\n", 0)


def test_lines_that_a_stream_does_not_take_are_counted() -> None:
    buffer = LogBuffer(Dripping(room=10))  # type: ignore[arg-type]  # it can write
    buffer.write(b"a line that is longer than ten bytes")
    assert buffer.lost == 1
