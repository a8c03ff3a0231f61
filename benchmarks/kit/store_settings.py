"""How a measured sidecar reaches the embedded object store."""

from pathlib import Path
from typing import Any

from sidecar.dev.demo_config import StoreAccess, write_private
from sidecar.dev.object_store import EmbeddedStore


def store_section(store: EmbeddedStore, directory: Path) -> dict[str, Any]:
    """Write the keys to files, and build the settings' section of the store."""
    files = directory / "s3-access-key", directory / "s3-secret-key"
    for file, key in zip(files, (store.access_key, store.secret_key), strict=True):
        write_private(file, key + "\n")
    return StoreAccess(store.bucket, store.endpoint_url, *files).section()
