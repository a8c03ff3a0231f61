"""Waiting for what others do. Bounds are for hung processes; no test claims how long something takes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE = 60.0  # seconds
TICK = 0.02


async def tick(seconds: float = TICK) -> None:
    """Let the world go on for a moment."""
    over = asyncio.Event()
    timer = asyncio.get_running_loop().call_later(seconds, over.set)
    try:
        await over.wait()
    finally:
        timer.cancel()


async def wait_until(condition: Callable[[], T | None], why: str, *, timeout: float = PATIENCE) -> T:
    """Look again and again until the condition holds; return what it says then."""
    try:
        async with asyncio.timeout(timeout):
            while not (found := condition()):
                await tick()
            return found
    except TimeoutError:
        raise AssertionError(f"never came: {why}") from None


async def ask_until(question: Callable[[], Awaitable[T | None]], why: str, *, timeout: float = PATIENCE) -> T:
    """Ask again and again until the answer is true; return it."""
    answer: T | None = None
    try:
        async with asyncio.timeout(timeout):
            while not (answer := await question()):
                await tick(5 * TICK)
            return answer
    except TimeoutError:
        raise AssertionError(f"never came: {why}; the last answer was {answer!r}") from None
