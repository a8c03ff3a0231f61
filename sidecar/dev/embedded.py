"""What the sidecar needs besides itself: an embedded Postgres and, where asked for, an object store."""

import asyncio
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from sidecar.dev.demo_config import StoreAccess, write_private
from sidecar.dev.narrator import Narrator
from sidecar.dev.object_store import EmbeddedStore, ObjectStoreFailed
from sidecar.dev.ports import free_port
from sidecar.dev.postgres import EmbeddedPostgres, PostgresFailed

BUCKET: Final = "results"
POLL: Final = 0.5  # seconds


class Embedded:
    """Both of them, children of the thread that enters it; they start in order and stop in reverse.

    Args:
        directory: Where their data is kept.
        with_store: Whether there is an object store.
        narrator: Tells that they start.
    """

    def __init__(self, directory: Path, *, with_store: bool, narrator: Narrator) -> None:
        self._directory = directory
        self._narrator = narrator
        self._stack = ExitStack()
        self.postgres = EmbeddedPostgres(directory / "postgres", port=free_port(*range(54320, 54420, 10)))
        self.store = EmbeddedStore(directory / "s3", bucket=BUCKET) if with_store else None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            place = self.postgres.home.directory
            self._narrator.tell("postgres", f"an embedded Postgres starts; its data: {place}")
            stack.enter_context(self.postgres)
            if self.store is not None:
                self._narrator.tell("s3", f"an embedded object store starts; its data: {self.store.directory}")
                stack.enter_context(self.store)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    async def death(self) -> int:
        """Wait until one of them has ended, which none should.

        Raises:
            PostgresFailed: Postgres ended.
            ObjectStoreFailed: The object store ended.
        """
        while True:
            if not self.postgres.running:
                raise PostgresFailed(f"Postgres ended; see {self.postgres.log}")
            if self.store is not None and not self.store.running:
                raise ObjectStoreFailed(f"the object store ended; see {self.store.log}")
            await asyncio.sleep(POLL)

    def kill(self) -> None:
        """Kill both at once; they lose nothing by it."""
        self.postgres.kill()
        if self.store is not None:
            self.store.kill()

    def store_access(self) -> StoreAccess | None:
        """Write the store's keys to files that only their owner can read; None without a store."""
        store = self.store
        if store is None:
            return None
        files = self._directory / "s3-access-key", self._directory / "s3-secret-key"
        for file, key in zip(files, (store.access_key, store.secret_key), strict=True):
            write_private(file, key + "\n")
        return StoreAccess(BUCKET, store.endpoint_url, *files)

    def logs(self) -> list[str]:
        """Name the log of each."""
        store = [] if self.store is None else [f"Log of the store:    {self.store.log}"]
        return [f"Log of Postgres:     {self.postgres.log}", *store]
