"""One body on its way into the store: compressed and digested as it comes, with bounded memory.

At most two parts are in memory, one that fills and one that is sent. A body that fits into one part is sent by a
single PUT when its end is known. Until :meth:`Upload.finish` has returned, nothing can be read from the store.

An answer that was lost leaves it open whether the object is there. The remedy is a new upload under a new key; the
old object, if there is one, belongs to nobody and goes with its day.
"""

import asyncio
import hashlib
import io
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, cast

from isal import isal_zlib

from sidecar.model.stored import Coding, StoredObject
from sidecar.offload.compress import compressor
from sidecar.offload.errors import OffloadError, OffloadRefused, OffloadUnavailable
from sidecar.offload.faults import talking

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client
    from types_aiobotocore_s3.type_defs import CompletedPartTypeDef

PART: Final = 8 * 1024 * 1024  # bytes; S3 takes 5 MiB at least, and some stores want all but the last alike
MOST_PARTS: Final = 10_000  # S3's limit, hence 78 GiB for a body
BLOCK: Final = 512 * 1024  # bytes handed to a thread at once: the way there and back costs about 100 us
ABORT_TIMEOUT: Final = 10.0  # seconds; what is left behind is swept later


class Press:
    """Compresses and digests, in threads, so that the loop stays free; one call at a time."""

    def __init__(self, coding: Coding | None) -> None:
        self._compressor = compressor(coding)
        self._raw = hashlib.sha256()
        # Bytes that are stored as they are need one digest only.
        self._stored = hashlib.sha256() if coding is not None else None

    async def feed(self, chunks: list[bytes]) -> bytes:
        """Take some, and give what is ready to be stored."""
        data = b"".join(chunks)
        loop = asyncio.get_running_loop()
        # Both let other threads run meanwhile; on two cores they take as long as the compression alone.
        digesting = loop.run_in_executor(None, self._raw.update, data)
        if self._stored is not None:
            data = await loop.run_in_executor(None, self._compress, data)
        await digesting
        return data

    def finish(self, chunks: list[bytes]) -> bytes:
        """Take the last, and give the rest; it blocks."""
        data = b"".join(chunks)
        self._raw.update(data)
        return self._compress(data) + self._digested(self._compressor.flush())

    def digests(self) -> tuple[bytes, bytes]:
        """Tell SHA-256 of what was given and of what came out."""
        raw = self._raw.digest()
        return raw, (self._stored.digest() if self._stored is not None else raw)

    def _compress(self, data: bytes) -> bytes:
        return self._digested(self._compressor.compress(data))

    def _digested(self, data: bytes) -> bytes:
        if self._stored is not None:
            self._stored.update(data)
        return data


class Upload:
    """An upload under way. As a context manager it is aborted when it ends unfinished.

    Args:
        client: S3's client.
        bucket: Where to.
        key: A key that no other upload has.
        coding: How to compress; ``None`` stores the bytes as they are.
        parameters: What S3 is told of the object: its type, how it is presented, encryption.
        checksums: Whether S3 is given checksums of what is sent.
    """

    def __init__(
        self,
        client: "S3Client",
        *,
        bucket: str,
        key: str,
        coding: Coding | None,
        parameters: Mapping[str, Any],
        checksums: bool,
    ) -> None:
        self.bucket = bucket
        self.key = key
        self.size = 0
        """Bytes written so far."""
        self._client = client
        self._coding: Coding | None = coding
        self._parameters = parameters
        self._checksums = checksums
        self._press = Press(coding)
        self._waiting: list[bytes] = []
        self._waits = 0
        self._part = io.BytesIO()
        self._stored_size = 0
        self._upload_id: str | None = None
        self._parts: list[CompletedPartTypeDef] = []
        self._number = 0
        self._sending: asyncio.Task[None] | None = None
        self._over = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.abort()

    async def write(self, chunk: bytes) -> None:
        """Take the next bytes; waits while the store is slower than the sender. One call at a time.

        Raises:
            OffloadUnavailable: The store is away; the upload is aborted.
            OffloadRefused: It said no; the upload is aborted.
        """
        self.size += len(chunk)
        self._waiting.append(chunk)
        self._waits += len(chunk)
        if self._waits < BLOCK:
            return
        try:
            self._check_open()
            chunks, self._waiting, self._waits = self._waiting, [], 0
            await self._store(await self._press.feed(chunks))
        except BaseException:  # cancellation too: nobody else knows of the upload
            await self.abort()
            raise

    async def finish(self) -> StoredObject:
        """Make the object and tell what it is.

        Raises:
            OffloadUnavailable: The store is away. The object may be there or not: use a new upload.
            OffloadRefused: It said no; the upload is aborted.
        """
        try:
            self._check_open()
            chunks, self._waiting = self._waiting, []
            if self._waits <= BLOCK // 8:  # cheaper than the way to a thread and back
                rest = self._press.finish(chunks)
            else:
                rest = await asyncio.to_thread(self._press.finish, chunks)
            await self._store(rest)
            etag = await (self._put() if self._upload_id is None else self._complete())
        except BaseException:
            await self.abort()
            raise
        self._over = True
        sha256, stored_sha256 = self._press.digests()
        return StoredObject(
            bucket=self.bucket,
            key=self.key,
            size=self.size,
            sha256=sha256,
            stored_size=self._stored_size,
            stored_sha256=stored_sha256,
            coding=self._coding,
            etag=etag,
        )

    async def abort(self) -> None:
        """Give up and remove what was sent; does nothing once finished or aborted.

        With the store away the parts stay behind, invisible, until stale uploads are swept.
        """
        if self._over:
            return
        self._over = True
        self._waiting, self._part = [], io.BytesIO()
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait([self._sending])
            if not self._sending.cancelled():
                self._sending.exception()  # seen: the first error is the one that is told
        if self._upload_id is not None:
            with suppress(OffloadError):
                async with talking("abort an upload", within=ABORT_TIMEOUT):
                    await self._client.abort_multipart_upload(
                        Bucket=self.bucket, Key=self.key, UploadId=self._upload_id
                    )

    def _check_open(self) -> None:
        if self._over:
            raise OffloadUnavailable("the upload was ended before")

    async def _store(self, data: bytes) -> None:
        """Fill parts, and send each that is full."""
        self._stored_size += len(data)
        view = memoryview(data)
        while view:
            if self._part.tell() == PART:  # more is to come, so this is not the last
                await self._send_part()
            room = PART - self._part.tell()
            self._part.write(view[:room])
            view = view[room:]

    async def _put(self) -> str:
        async with talking("store an object"):
            answer = await self._client.put_object(
                Bucket=self.bucket, Key=self.key, Body=self._rewound(), **self._checksum(), **self._parameters
            )
        return answer["ETag"]

    async def _send_part(self) -> None:
        """Begin to send the part that is full, once the one before has been sent."""
        if self._upload_id is None:
            algorithm: dict[str, Any] = {"ChecksumAlgorithm": "CRC32"} if self._checksums else {}
            async with talking("begin an upload"):
                answer = await self._client.create_multipart_upload(
                    Bucket=self.bucket, Key=self.key, **algorithm, **self._parameters
                )
            self._upload_id = answer["UploadId"]
        await self._sent()
        self._number += 1
        if self._number > MOST_PARTS:
            raise OffloadRefused("cannot store a body of more than 78 GiB", code="EntityTooLarge")
        checksum, body = self._checksum(), self._rewound()
        self._sending = asyncio.create_task(self._upload_part(self._upload_id, self._number, body, checksum))
        self._part = io.BytesIO()

    async def _upload_part(self, upload_id: str, number: int, body: io.BytesIO, checksum: dict[str, Any]) -> None:
        async with talking("store a part of an upload"):
            answer = await self._client.upload_part(
                Bucket=self.bucket, Key=self.key, UploadId=upload_id, PartNumber=number, Body=body, **checksum
            )
        part: dict[str, Any] = {"PartNumber": number, "ETag": answer["ETag"], **checksum}
        self._parts.append(cast("CompletedPartTypeDef", part))

    async def _sent(self) -> None:
        if self._sending is not None:
            await self._sending
            self._sending = None

    async def _complete(self) -> str:
        await self._send_part()
        await self._sent()
        try:
            async with talking("complete an upload"):
                answer = await self._client.complete_multipart_upload(
                    Bucket=self.bucket,
                    Key=self.key,
                    UploadId=self._upload_id or "",
                    MultipartUpload={"Parts": self._parts},
                )
        except OffloadRefused as error:
            # A repeated call whose first answer was lost, or a store that forgot the upload: a new one may succeed.
            if error.code == "NoSuchUpload":
                raise OffloadUnavailable("cannot complete an upload: the store does not know it any more") from error
            raise
        return answer["ETag"]

    def _rewound(self) -> io.BytesIO:
        self._part.seek(0)
        return self._part

    def _checksum(self) -> dict[str, Any]:
        """Make the part's CRC-32 here: the client would take twenty times as long for it, on the loop."""
        if not self._checksums:
            return {}
        crc = isal_zlib.crc32(self._part.getbuffer())
        return {"ChecksumCRC32": b64encode(crc.to_bytes(4, "big")).decode()}
