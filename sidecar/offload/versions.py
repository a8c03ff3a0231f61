"""Removing objects for good: every version of them, and what is left of uploads."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sidecar.offload.errors import OffloadRefused
from sidecar.offload.faults import talking
from sidecar.offload.listing import NOT_FOUND, abort_begun_before, listed

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

NOT_KNOWN = frozenset({405, 501})
"""Statuses by which a store says that it keeps no versions at all."""


async def erase_under(client: "S3Client", bucket: str, prefix: str) -> int:
    """Remove every version of every object whose key begins with ``prefix``, and unfinished uploads.

    Returns:
        How many versions there were, marks of removed ones included.

    Raises:
        OffloadUnavailable: The store is away.
        OffloadRefused: It said no; a right such as ``s3:DeleteObjectVersion`` may be missing.
    """
    await abort_begun_before(client, bucket, prefix, datetime.now(UTC).replace(year=9999))
    removed = 0
    try:
        async with talking("list versions"):
            page = await client.list_object_versions(Bucket=bucket, Prefix=prefix)
        while found := [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]:
            for item in found:
                await _remove(client, bucket, item["Key"], item.get("VersionId"))
            removed += len(found)
            if not page.get("IsTruncated"):
                return removed
            async with talking("list versions"):  # from the beginning: what was listed is gone
                page = await client.list_object_versions(Bucket=bucket, Prefix=prefix)
    except OffloadRefused as error:
        if error.status not in NOT_KNOWN:
            raise
    else:
        return removed
    async for plain in listed(client, bucket, prefix):
        await _remove(client, bucket, plain.key, None)
        removed += 1
    return removed


async def _remove(client: "S3Client", bucket: str, key: str, version: str | None) -> None:
    try:
        async with talking("delete a version"):
            if version is None:
                await client.delete_object(Bucket=bucket, Key=key)
            else:
                await client.delete_object(Bucket=bucket, Key=key, VersionId=version)
    except OffloadRefused as error:
        if error.status != NOT_FOUND:
            raise
