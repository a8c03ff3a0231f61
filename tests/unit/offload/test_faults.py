"""Away, or refused: one reading of the store's answers."""

import asyncio

import aiohttp
import pytest
from botocore.exceptions import (  # type: ignore[import-untyped]
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
)

from sidecar.offload.errors import OffloadError, OffloadRefused, OffloadUnavailable
from sidecar.offload.faults import talking


def answer(status: int, code: str) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutObject")


@pytest.mark.parametrize(
    ("raised", "becomes"),
    [
        (answer(500, "InternalError"), OffloadUnavailable),
        (answer(503, "SlowDown"), OffloadUnavailable),
        (answer(429, ""), OffloadUnavailable),
        (answer(400, "RequestTimeout"), OffloadUnavailable),
        (answer(400, "ExpiredToken"), OffloadUnavailable),
        (answer(403, "AccessDenied"), OffloadRefused),
        (answer(403, "SignatureDoesNotMatch"), OffloadRefused),
        (answer(403, "RequestTimeTooSkewed"), OffloadRefused),
        (answer(404, "NoSuchBucket"), OffloadRefused),
        (EndpointConnectionError(endpoint_url="http://s"), OffloadUnavailable),
        (aiohttp.ClientPayloadError(), OffloadUnavailable),
        (TimeoutError(), OffloadUnavailable),
        (ConnectionResetError(), OffloadUnavailable),
        (NoCredentialsError(), OffloadRefused),
        (ParamValidationError(report="secret"), OffloadRefused),
    ],
)
async def test_each_error_has_its_meaning(raised: Exception, becomes: type[OffloadError]) -> None:
    with pytest.raises(becomes) as caught:
        async with talking("store an object"):
            raise raised
    assert str(caught.value).startswith("cannot store an object: ")
    assert "secret" not in str(caught.value)


async def test_a_refusal_tells_the_stores_word_and_status() -> None:
    with pytest.raises(OffloadRefused) as caught:
        async with talking("read"):
            raise answer(403, "AccessDenied")
    assert (caught.value.code, caught.value.status) == ("AccessDenied", 403)


async def test_a_call_that_takes_too_long_is_given_up() -> None:
    with pytest.raises(OffloadUnavailable, match="TimeoutError"):
        async with talking("wait", within=0.01):
            await asyncio.get_running_loop().create_future()


async def test_cancellation_and_the_faults_of_others_pass() -> None:
    with pytest.raises(asyncio.CancelledError):
        async with talking("wait"):
            raise asyncio.CancelledError
    with pytest.raises(KeyError):
        async with talking("wait"):
            raise KeyError("x")
