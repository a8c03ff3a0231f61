"""Wait for whichever happens first."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def first_of(*happenings: Coroutine[Any, Any, T]) -> T:
    """Run all, give the result (or raise the error) of the first to end, and end the others."""
    tasks = [asyncio.ensure_future(one) for one in happenings]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(task for task in tasks if task.done()).result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
