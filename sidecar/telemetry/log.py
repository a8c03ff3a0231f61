"""The event log: structlog with one processor, and a buffer between it and the stream.

A line costs a few microseconds: one dictionary, one orjson call, one append. Lines reach the stream after at
most 50 ms or 64 KiB, and when the log is closed. Exceptions are told by type and place; their messages can
hold addresses and row values, and are written only at level debug.
"""

import asyncio
import atexit
import contextlib
import logging
import threading
import traceback
from collections.abc import Callable, Iterable, MutableMapping
from datetime import UTC, datetime
from typing import Any, BinaryIO

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from sidecar.telemetry.events import Event

FLUSH_AFTER = 0.05  # seconds
FLUSH_AT = 64 * 1024  # bytes
_MAX_MESSAGE = 500  # characters of a library's own words


class LogBuffer:
    """Gathers lines and writes many at once; safe to use from threads.

    Lines are copied together as they come: to keep what orjson returns takes ten times as long as to copy it.
    """

    def __init__(self, stream: BinaryIO, *, threshold: int = logging.INFO) -> None:
        self.threshold = threshold
        self.lost = 0  # lines that the stream did not take
        self._stream = stream
        self._lines = 0
        self._text = bytearray()
        self._lock = threading.RLock()

    def write(self, line: bytes) -> None:
        """Append one line, without its newline."""
        with self._lock:
            self._lines += 1
            self._text += line
            self._text += b"\n"
            if len(self._text) >= FLUSH_AT:
                self.flush()
            elif self._lines == 1:
                self._flush_soon()

    debug = info = warning = error = write

    def flush(self) -> None:
        """Write what is buffered. A broken stream costs lines, never the work that logs them."""
        with self._lock:
            lines, self._lines = self._lines, 0
            text, self._text = self._text, bytearray()
            if not lines:
                return
            try:
                self._write(memoryview(text))
                self._stream.flush()
            except (OSError, ValueError):
                self.lost += lines

    def _write(self, text: memoryview) -> None:
        """Write all of it: a stream without a buffer (PYTHONUNBUFFERED) may take a part only."""
        while text:
            taken = self._stream.write(text)
            if not taken:
                raise BlockingIOError("the stream takes nothing now")
            text = text[taken:]

    def _flush_soon(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
        else:
            loop.call_later(FLUSH_AFTER, self.flush)


class EventLog(structlog.BoundLoggerBase):
    """Writes events of the closed set, with fields; never bodies, secrets, or more of an address than its host."""

    _logger: LogBuffer

    def __init__(self, logger: WrappedLogger, processors: Iterable[Processor], context: dict[Any, Any]) -> None:
        super().__init__(logger, processors, context)
        self._render = next(iter(processors))

    def debug(self, event: Event, **fields: object) -> None:
        """Log what only a search for a fault needs."""
        if self._logger.threshold <= logging.DEBUG:
            self._proxy_to_logger("debug", event, **fields)

    def info(self, event: Event, **fields: object) -> None:
        """Log what happened as it should."""
        logger = self._logger
        if logger.threshold <= logging.INFO:
            # What structlog's proxy does, without its copies: this is called several times for each job.
            line = self._render(logger, "info", {**self._context, "event": event, **fields})
            if isinstance(line, bytes):
                logger.write(line)

    def warning(self, event: Event, **fields: object) -> None:
        """Log what someone may have to look at."""
        if self._logger.threshold <= logging.WARNING:
            self._proxy_to_logger("warning", event, **fields)

    def error(self, event: Event, **fields: object) -> None:
        """Log what someone has to look at; ``exc_info`` takes the exception."""
        self._proxy_to_logger("error", event, **fields)

    def set_level(self, level: str) -> None:
        """Write from this level on: ``debug``, ``info``, ``warning`` or ``error``. It holds for the whole process."""
        self._logger.threshold = logging.getLevelNamesMapping()[level.upper()]
        self.error(Event.LEVEL_CHANGED, level_now=level)

    @property
    def lost(self) -> int:
        """Lines that the stream did not take."""
        return self._logger.lost

    def flush(self) -> None:
        """Write out what is buffered."""
        self._logger.flush()

    def loop_exception(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:  # noqa: ARG002
        """Report what the event loop has nobody else to tell (``loop.set_exception_handler``)."""
        self.error(Event.TASK_FAILED, message=context.get("message"), exc_info=context.get("exception"))


def make_log(log_format: str, level: str, stream: BinaryIO) -> EventLog:
    """Make the event log.

    Args:
        log_format: ``json`` (one object a line) or ``pretty`` (for people).
        level: ``debug``, ``info``, ``warning`` or ``error``.
        stream: where lines go, ``sys.stdout.buffer`` as a rule.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    buffer = LogBuffer(stream, threshold=threshold)
    atexit.register(buffer.flush)

    def told(error: BaseException) -> dict[str, object]:  # the level may change while the process runs
        return describe_exception(error) if buffer.threshold > logging.DEBUG else describe_exception_fully(error)

    render = _json_renderer(told) if log_format == "json" else _pretty_renderer(told, colors=stream.isatty())
    return EventLog(buffer, [render], {})


def route_standard_logging(log: EventLog, *, level: int = logging.WARNING) -> Callable[[], None]:
    """Send what libraries log to the event log; returns how to undo it."""
    root = logging.getLogger()
    handler, before = _Handler(log), root.level
    root.addHandler(handler)
    root.setLevel(level)

    def undo() -> None:
        root.removeHandler(handler)
        root.setLevel(before)

    return undo


def describe_exception(error: BaseException) -> dict[str, object]:
    """Tell an exception by its type and place, and those of its causes; not by its words."""
    frames = traceback.extract_tb(error.__traceback__)
    told: dict[str, object] = {
        "type": type(error).__qualname__,
        "at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-12:]],
    }
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        told["cause"] = type(cause).__qualname__
    return told


def describe_exception_fully(error: BaseException) -> dict[str, object]:
    """Tell an exception with its words too, which may hold anything: for level debug."""
    return {**describe_exception(error), "message": str(error)[:_MAX_MESSAGE]}


def _json_renderer(told: Callable[[BaseException], dict[str, object]]) -> Processor:
    now, dumps = datetime.now, orjson.dumps

    def render(_: WrappedLogger, method: str, fields: EventDict) -> bytes:
        error = fields.pop("exc_info", None)
        if error is not None:
            fields["exception"] = told(error)
        line = {"ts": now(UTC), "level": method, "event": fields.pop("event"), **fields}
        return dumps(line, default=str, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)

    return render


def _pretty_renderer(told: Callable[[BaseException], dict[str, object]], *, colors: bool) -> Processor:
    console = structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=22)

    def render(logger: WrappedLogger, method: str, fields: MutableMapping[str, Any]) -> bytes:
        error = fields.pop("exc_info", None)
        if error is not None:
            fields["exception"] = _exception_for_people(told(error))
        fields["timestamp"] = datetime.now(UTC).strftime("%H:%M:%S.%f")[:-3]
        fields["level"] = method
        fields["event"] = str(fields["event"])
        return str(console(logger, method, fields)).encode(errors="backslashreplace")

    return render


def _exception_for_people(told: dict[str, Any]) -> str:
    words = f": {told['message']}" if "message" in told else ""
    return "\n".join((f"  {told['type']}{words}", *(f"    {place}" for place in told["at"])))


class _Handler(logging.Handler):
    """Turns a library's record into an event; a fault in logging must not reach the library."""

    def __init__(self, log: EventLog) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(Exception):
            fields: dict[str, object] = {"logger": record.name, "message": record.getMessage()[:_MAX_MESSAGE]}
            if record.exc_info and record.exc_info[1] is not None:
                fields["exc_info"] = record.exc_info[1]
            write = self._log.error if record.levelno >= logging.ERROR else self._log.warning
            if record.levelno < logging.WARNING:
                write = self._log.debug if record.levelno < logging.INFO else self._log.info
            write(Event.LIBRARY_MESSAGE, **fields)
