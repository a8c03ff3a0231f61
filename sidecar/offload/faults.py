"""One reading of what S3's client raises: away, or refused."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
from botocore.exceptions import (  # type: ignore[import-untyped]
    BotoCoreError,
    ClientError,
    NoAuthTokenError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)

from sidecar.offload.errors import OffloadError, OffloadRefused, OffloadUnavailable

CALL_TIMEOUT: Final = 120.0
"""Seconds for one call with all its repetitions: time for a part of 8 MiB on a line of 1 Mbit/s."""

_SERVER_FAULT: Final = 500
_PASSING_STATUSES: Final = frozenset({408, 429})
# Answers of 4xx that time, or fresh credentials, will mend.
_PASSING_CODES: Final = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "RequestExpired",
        "InternalError",
        "OperationAborted",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
    }
)
_NEVER_SENT: Final = (NoCredentialsError, PartialCredentialsError, NoAuthTokenError, ParamValidationError)


@asynccontextmanager
async def talking(what: str, *, within: float | None = CALL_TIMEOUT) -> AsyncIterator[None]:
    """Talk to the store, for ``within`` seconds at most, and say what went wrong in our own words.

    Args:
        what: What is tried, in the infinitive; it begins the message. No secret, no URL.
        within: Seconds; ``None`` where the client's own time-outs for silence are enough.

    Raises:
        OffloadUnavailable: The store is away, too slow, overloaded, or has a fault.
        OffloadRefused: It said no, or there is nothing to ask with.
    """
    try:
        async with asyncio.timeout(within):
            yield
    except OffloadError:
        raise
    except ClientError as error:
        raise refusal(what, error) from error
    except _NEVER_SENT as error:
        code = type(error).__name__.removesuffix("Error")
        raise OffloadRefused(f"cannot {what}: {_words(error)}", code=code) from error
    except (BotoCoreError, aiohttp.ClientError, ssl.SSLError, TimeoutError, OSError) as error:
        raise OffloadUnavailable(f"cannot {what}: {type(error).__name__}") from error


def refusal(what: str, error: ClientError) -> OffloadError:
    """Read an error answer of the store."""
    answer: dict[str, Any] = dict(error.response)
    code = str(answer.get("Error", {}).get("Code", ""))
    status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    told = f"{status} {code}" if code not in {"", str(status)} else str(status)  # an answer to HEAD has no body
    message = f"cannot {what}: the store answered {told}"
    if status >= _SERVER_FAULT or status in _PASSING_STATUSES or code in _PASSING_CODES:
        return OffloadUnavailable(message)
    return OffloadRefused(message, code=code, status=status)


def _words(error: BotoCoreError | ParamValidationError) -> str:
    """Give the library's words, but for wrong parameters, which it would repeat with their values."""
    return "wrong parameters" if isinstance(error, ParamValidationError) else str(error)
