"""Links tell their true end: with lasting keys, and with sessions of a role that end."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiobotocore.session import AioSession

from sidecar.model.stored import StoredObject
from sidecar.offload.errors import OffloadUnavailable
from sidecar.offload.links import Links, ends_at
from sidecar.offload.signing import Signers
from sidecar.offload.store import ObjectStore
from sidecar.settings.offload import LinkSigning, StoreKeys
from sidecar.settings.units import DAY, HOUR
from tests.integration.offload.builders import make_settings
from tests.integration.offload.moto import Moto

STORED = StoredObject("results", "a/b", 1, b"", 1, b"", None, "")
GET: dict[str, Any] = {"Bucket": "results", "Key": "a/b"}


def query(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def left(end: datetime) -> float:
    return (end - datetime.now(UTC)).total_seconds()


@pytest.fixture
def identity(moto: Moto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A web identity, as AWS gives it to a pod; moto is the STS."""
    token = tmp_path / "token"
    token.write_text("a.web.token\n")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", moto.endpoint_url)
    return {"AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/sidecar"}


@asynccontextmanager
async def signing(
    moto: Moto, environ: dict[str, str], clock: Callable[[], float], **over: Any
) -> AsyncIterator[tuple[Signers, Links]]:
    settings = make_settings(moto.endpoint_url, credentials=StoreKeys(), **over)
    signers = Signers(AioSession(), settings, environ=environ, clock=clock)
    await signers.start()
    try:
        yield signers, Links(signers, clock=clock)
    finally:
        await signers.stop()


async def test_with_lasting_keys_a_link_lives_as_long_as_asked_and_no_longer_than_s3_allows(moto: Moto) -> None:
    store = ObjectStore(make_settings(moto.endpoint_url), environ={})
    await store.start()
    try:
        assert await store.credentials_end() is None
        assert left((await store.presign_get(STORED)).expires_at) == pytest.approx(DAY, abs=60)
        long = await store.presign_get(STORED, ttl=30 * DAY)
        assert query(long.url)["X-Amz-Expires"] == str(7 * 86400)
        assert long.expires_at == ends_at(long.url)
        assert "X-Amz" not in repr(long)
    finally:
        await store.stop()


async def test_links_are_signed_for_the_public_address_by_the_signers_own_keys(moto: Moto, tmp_path: Path) -> None:
    (tmp_path / "access").write_text("signer\n")
    (tmp_path / "secret").write_text("hush\n")
    signer = LinkSigning(access_key_file=tmp_path / "access", secret_key_file=tmp_path / "secret")
    settings = make_settings(
        moto.endpoint_url, public_endpoint_url="https://s3.example", signing=signer, region="eu-central-1"
    )
    store = ObjectStore(settings, environ={})
    await store.start()
    try:
        url = (await store.presign_get(STORED, filename="a.csv", content_type="text/csv")).url
        put = (await store.presign_put("a/c")).url
    finally:
        await store.stop()
    assert url.startswith("https://s3.example/results/a/b?")
    assert query(url)["X-Amz-Credential"].startswith("signer/")
    assert "/eu-central-1/s3/" in query(url)["X-Amz-Credential"]
    assert query(url)["response-content-disposition"] == 'attachment; filename="a.csv"'
    assert query(url)["response-content-type"] == "text/csv"
    assert query(put)["X-Amz-SignedHeaders"] == "host"
    assert not {name for name in query(put) if "checksum" in name.lower()}


async def test_in_aws_the_bucket_is_in_the_host() -> None:
    store = ObjectStore(make_settings(None, region="eu-central-1", path_style=False), environ={})
    await store.start()
    try:
        link = await store.presign_get(STORED)
    finally:
        await store.stop()
    assert link.url.startswith("https://results.s3.eu-central-1.amazonaws.com/a/b?X-Amz-Algorithm=AWS4-HMAC-SHA256")


async def test_with_a_web_identity_links_are_signed_in_a_session_of_their_own(
    moto: Moto, identity: dict[str, str]
) -> None:
    now = datetime.now(UTC).timestamp()
    async with signing(moto, identity, lambda: now, signing={"session": "12h"}) as (_, links):
        end = await links.credentials_end()
        link = await links.sign("get_object", GET, DAY)
    assert end is not None
    assert left(end) == pytest.approx(12 * HOUR, abs=60)
    assert link.expires_at <= end + timedelta(seconds=1)
    assert left(link.expires_at) == pytest.approx(12 * HOUR, abs=60)
    assert query(link.url)["X-Amz-Security-Token"]


async def test_a_session_is_renewed_at_half_time_and_not_before(moto: Moto, identity: dict[str, str]) -> None:
    began = datetime.now(UTC).timestamp()
    passed = 0.0
    async with signing(moto, identity, lambda: began + passed, signing={"session": "2h"}) as (signers, _):
        first = await signers.get()
        passed = HOUR - 60
        assert await signers.get() is first
        passed = HOUR + 60
        assert await signers.get() is not first


async def test_a_session_that_outlives_the_links_is_not_renewed(moto: Moto, identity: dict[str, str]) -> None:
    began = datetime.now(UTC).timestamp()
    passed = 0.0
    over = {"signing": {"session": "12h"}, "url_ttl": "10m"}
    async with signing(moto, identity, lambda: began + passed, **over) as (signers, _):
        first = await signers.get()
        passed = 11.5 * HOUR
        assert await signers.get() is first
        passed = 11.9 * HOUR
        assert await signers.get() is not first


async def test_while_sts_is_away_the_old_session_signs_until_it_ends(
    moto: Moto, identity: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    began = datetime.now(UTC).timestamp()
    passed = 0.0
    async with signing(moto, identity, lambda: began + passed, signing={"session": "1h"}) as (signers, links):
        first = await signers.get()
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")
        passed = 0.75 * HOUR
        assert await signers.get() is first
        link = await links.sign("get_object", GET, DAY)
        assert left(link.expires_at) <= HOUR
        passed = HOUR + 1
        with pytest.raises(OffloadUnavailable):
            await signers.get()


async def test_no_identity_file_is_no_credentials_just_now(moto: Moto, identity: dict[str, str]) -> None:
    nothing = {**identity, "AWS_WEB_IDENTITY_TOKEN_FILE": "/not/there"}
    async with signing(moto, nothing, lambda: 0.0) as (_, links):
        with pytest.raises(OffloadUnavailable):
            await links.sign("get_object", GET, DAY)
