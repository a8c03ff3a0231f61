"""What lies in the store, finished or not, by the beginning of keys."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from sidecar.offload.errors import OffloadRefused
from sidecar.offload.faults import talking

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True)
class Listed:
    """One object of a listing."""

    key: str
    size: int
    modified: datetime


async def listed(client: "S3Client", bucket: str, prefix: str) -> AsyncIterator[Listed]:
    """Yield the objects whose keys begin with ``prefix``, in the order of their keys, a page at a time.

    Raises:
        OffloadUnavailable: The store is away.
        OffloadRefused: It said no.
    """
    pages = aiter(client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix))
    while True:
        async with talking("list objects"):
            page = await anext(pages, None)
        if page is None:
            return
        for item in page.get("Contents", ()):
            yield Listed(item["Key"], item["Size"], item["LastModified"])


async def abort_begun_before(client: "S3Client", bucket: str, prefix: str, limit: datetime) -> int:
    """Abort the uploads under ``prefix`` that began before ``limit``, and tell how many.

    AWS can do the same by a lifecycle rule (``AbortIncompleteMultipartUpload``). MinIO does it by itself after a
    day, and lists uploads by whole keys only.

    Raises:
        OffloadUnavailable: The store is away.
        OffloadRefused: It said no.
    """
    pages = aiter(client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix))
    aborted = 0
    while True:
        async with talking("list uploads"):
            page = await anext(pages, None)
        if page is None:
            return aborted
        for item in page.get("Uploads", ()):
            if item["Initiated"] < limit and await _abort(client, bucket, item["Key"], item["UploadId"]):
                aborted += 1


async def _abort(client: "S3Client", bucket: str, key: str, upload_id: str) -> bool:
    try:
        async with talking("abort an upload"):
            await client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id)
    except OffloadRefused as error:
        if error.status == NOT_FOUND:  # somebody else was faster
            return False
        raise
    return True
