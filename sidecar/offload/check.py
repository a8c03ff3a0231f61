"""Questions to a real store before a roll-out: is the bucket there, what may we do, can links be had, do clocks agree.

Everything that is written is removed again.
"""

import secrets
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, Literal

import aiohttp
from yarl import URL

from sidecar.model.errors import ConfigError
from sidecar.model.stored import StoredObject
from sidecar.offload.client import sse_parameters
from sidecar.offload.errors import OffloadError, OffloadRefused
from sidecar.offload.faults import talking
from sidecar.offload.store import ObjectStore
from sidecar.offload.upload import Upload
from sidecar.settings.offload import OffloadSettings
from sidecar.settings.units import render_duration

BODY: Final = b"written by sidecar config check; remove it if you find it\n"
SKEW: Final = 60.0  # seconds; S3 refuses 15 minutes
STEP_TIMEOUT: Final = 20.0  # seconds
OK: Final = 200

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one question brought to light; ``remedy`` is empty when all is well."""

    level: Level
    topic: str
    text: str
    remedy: str = ""


async def check_store(settings: OffloadSettings) -> list[Finding]:
    """Ask everything, and stop early only where nothing more can be learned."""
    try:
        store = ObjectStore(settings)
        await store.start()
    except ConfigError as error:
        return [Finding("fail", "offload", str(error), "mend the setting")]
    try:
        return [finding async for finding in _Check(store, settings).run()]
    finally:
        await store.stop()


class _Check:
    def __init__(
        self, store: ObjectStore, settings: OffloadSettings, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._key = f"{settings.prefix}check/{secrets.token_hex(12)}"

    async def run(self) -> AsyncIterator[Finding]:
        bucket = await self._tried("bucket", self._bucket, "create it, or mend offload.bucket and the credentials")
        yield bucket
        if bucket.level == "fail":
            return
        yield await self._tried("clock", self._skew, "let this host and the store keep time by NTP")
        objects = await self._tried(
            "objects",
            self._objects,
            f"allow s3:PutObject, s3:GetObject and s3:DeleteObject on {self._settings.prefix}*",
        )
        yield objects
        yield await self._tried(
            "uploads in parts", self._parts, "allow s3:AbortMultipartUpload and s3:ListBucketMultipartUploads too"
        )
        yield await self._tried("links", self._life, "mend offload.signing or the credentials")
        if objects.level == "ok":
            yield await self._tried("public address", self._public, "mend offload.public_endpoint_url")

    async def _tried(self, topic: str, ask: Callable[[str], Any], remedy: str) -> Finding:
        try:
            finding: Finding = await ask(topic)
        except OffloadRefused as error:
            if error.code == "RequestTimeTooSkewed":
                remedy = "set the clock: the store refuses requests that are 15 minutes early or late"
            return Finding("fail", topic, str(error), remedy)
        except OffloadError as error:
            return Finding("fail", topic, str(error), "mend offload.endpoint_url, proxy or ca_file, or the network")
        return finding

    async def _bucket(self, topic: str) -> Finding:
        async with talking(f"find the bucket {self._store.bucket}", within=STEP_TIMEOUT):
            await self._store.client.head_bucket(Bucket=self._store.bucket)
        return Finding("ok", topic, f"{self._store.bucket} is there")

    async def _skew(self, topic: str) -> Finding:
        async with talking("ask for the time", within=STEP_TIMEOUT):
            answer: Any = await self._store.client.head_bucket(Bucket=self._store.bucket)
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        if date is None:
            return Finding("warn", topic, "the store does not tell its time", "compare the clocks by hand")
        skew = self._clock() - parsedate_to_datetime(date).timestamp()
        if abs(skew) <= SKEW:
            return Finding("ok", topic, "agrees with the store's")
        direction = "ahead of" if skew > 0 else "behind"
        text = f"{render_duration(round(abs(skew)))} {direction} the store's"
        return Finding("warn", topic, text, "let this host and the store keep time by NTP")

    async def _objects(self, topic: str) -> Finding:
        stored = await self._write()
        async with aclosing(self._store.read(stored)) as pieces:
            body = b"".join([piece async for piece in pieces])
        await self._store.delete([stored])
        if body != BODY:
            return Finding("fail", topic, "what was read is not what was written", "look at what is in between")
        return Finding("ok", topic, "can be written, read and removed")

    async def _parts(self, topic: str) -> Finding:
        place = {"Bucket": self._store.bucket, "Key": f"{self._key}-parts"}
        client: Any = self._store.client
        encryption = sse_parameters(self._settings.sse)
        async with talking("upload in parts", within=STEP_TIMEOUT):
            upload = (await client.create_multipart_upload(**place, **encryption))["UploadId"]
            part = await client.upload_part(**place, UploadId=upload, PartNumber=1, Body=BODY)
            parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
            await client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload=parts)
            await client.delete_object(**place)
        async with talking("abort and list uploads", within=STEP_TIMEOUT):
            upload = (await client.create_multipart_upload(**place, **encryption))["UploadId"]
            await client.list_multipart_uploads(Bucket=place["Bucket"], Prefix=place["Key"])
            await client.abort_multipart_upload(**place, UploadId=upload)
        return Finding("ok", topic, "can be completed, listed and aborted")

    async def _life(self, topic: str) -> Finding:
        wanted = self._settings.url_ttl
        link = await self._store.presign_get(self._probe(), ttl=wanted)
        lives = (link.expires_at - datetime.fromtimestamp(self._clock(), UTC)).total_seconds()
        if lives >= wanted - SKEW:
            return Finding("ok", topic, f"live for {render_duration(wanted)}")
        text = f"live for {render_duration(round(lives))} instead of {render_duration(wanted)}: their credentials end"
        remedy = (
            "give keys that last (offload.signing.access_key_file), raise the role's MaxSessionDuration and"
            " offload.signing.session, or lower offload.url_ttl; the refresh_url works in any case"
        )
        return Finding("warn", topic, text, remedy)

    async def _public(self, topic: str) -> Finding:
        host = self._settings.public_endpoint_url or self._settings.endpoint_url or "the region's own"
        remedy = "make sure that consumers reach it; from here it may be out of reach on purpose"
        stored = await self._write()
        try:
            link = await self._store.presign_get(stored)
            status, body = await self._get(link.url)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Finding("warn", topic, f"{host} cannot be reached from here: {type(error).__name__}", remedy)
        finally:
            await self._store.delete([stored])
        if status == OK and body == BODY:
            return Finding("ok", topic, f"{host} serves links")
        text = f"{host} answered {status} to a link"
        return Finding("fail", topic, text, "let it lead to the same store and keep the Host header (path and all)")

    async def _get(self, url: str) -> tuple[int, bytes]:
        timeout = aiohttp.ClientTimeout(total=STEP_TIMEOUT)
        trust = ssl.create_default_context()
        if self._settings.ca_file is not None:
            trust.load_verify_locations(cafile=self._settings.ca_file)
        async with (
            aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session,
            session.get(URL(url, encoded=True), proxy=self._settings.proxy, ssl=trust) as answer,
        ):
            return answer.status, await answer.read()

    async def _write(self) -> StoredObject:
        upload = Upload(
            self._store.client,
            bucket=self._store.bucket,
            key=self._key,
            coding=None,
            parameters={"ContentType": "text/plain", **sse_parameters(self._settings.sse)},
            checksums=self._settings.checksums == "when_supported",
        )
        async with upload:
            await upload.write(BODY)
            return await upload.finish()

    def _probe(self) -> StoredObject:
        return StoredObject(self._store.bucket, self._key, len(BODY), b"", len(BODY), b"", None, "")
