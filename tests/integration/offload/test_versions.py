"""Removing objects for good: every version, marks of removed ones, unfinished uploads; and nobody else's."""

from uuid_utils.compat import uuid7

from sidecar.offload.keys import job_prefix
from sidecar.offload.store import ObjectStore
from sidecar.offload.upload import PART
from tests.integration.offload.builders import keys_of, noise, uploads_of

BUCKET = "versioned"


async def versions_of(store: ObjectStore, bucket: str) -> list[str]:
    page = await store.client.list_object_versions(Bucket=bucket)
    return [item["Key"] for item in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))]


async def test_all_versions_go_and_those_of_other_jobs_stay(store: ObjectStore) -> None:
    await store.client.create_bucket(Bucket=BUCKET)
    await store.client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    job_id, other = uuid7(), uuid7()
    for job in (job_id, other):
        made = [await store.put(b"body", job, name, content_type=None, coding=None, bucket=BUCKET) for name in "ab"]
        await store.client.put_object(Bucket=BUCKET, Key=made[0].key, Body=b"another version")
        await store.delete([made[1]])
    kept = [key for key in await versions_of(store, BUCKET) if str(other) in key]
    assert len(kept) == 4
    assert await store.erase(job_prefix("sidecar/", job_id), bucket=BUCKET) == 4
    assert await versions_of(store, BUCKET) == kept
    assert await store.erase(job_prefix("sidecar/", job_id), bucket=BUCKET) == 0


async def test_a_real_store_forgets_objects_and_unfinished_uploads(real: ObjectStore) -> None:
    job_id, other = uuid7(), uuid7()
    for job in (job_id, other):
        await real.put(b"body", job, "billing", content_type=None, coding=None)
    upload = real.open_upload(job_id, "risk", content_type=None, coding=None)
    for _ in range(2):
        await upload.write(noise(PART))
    await upload._sent()
    assert await real.erase(job_prefix("sidecar/", job_id)) == 1
    assert await keys_of(real, job_prefix("sidecar/", job_id)) == []
    assert upload.key not in await uploads_of(real)
    assert len(await keys_of(real, job_prefix("sidecar/", other))) == 1
    await upload.abort()
