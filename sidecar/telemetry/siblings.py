"""Metrics of several worker processes behind one port: whichever worker is asked gathers them from all.

Each worker answers on a unix socket in a folder that they share; the merged series carry the label ``worker``.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from sidecar.telemetry.exposition import Exposition

_PATIENCE = 1.0  # seconds that a busy worker gets; one that does not answer is left out of this scrape
_SUFFIX = ".metrics"


class Siblings:
    """The metrics of this worker and of those beside it.

    Args:
        own: The metrics of this process.
        directory: A folder that all workers of one parent share, and nobody else may enter.
        worker: The name of this worker, unique among them and stable over restarts.
    """

    def __init__(self, own: Exposition, *, directory: Path, worker: str) -> None:
        self._own = own
        self._directory = directory
        self._worker = worker
        self._server: asyncio.AbstractServer | None = None

    @property
    def _path(self) -> Path:
        return self._directory / f"{self._worker}{_SUFFIX}"

    async def start(self) -> None:
        """Answer siblings; a socket that a worker of the same name left behind is replaced."""
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._answer, self._path)

    async def stop(self) -> None:
        """Stop answering. May be called twice, and without a start."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            self._path.unlink(missing_ok=True)

    async def expose(self) -> bytes:
        """Render the metrics of all workers that answer."""
        paths = [path for path in sorted(self._directory.glob(f"*{_SUFFIX}")) if path != self._path]
        texts = await asyncio.gather(*(_ask(path) for path in paths))
        by_worker = {path.stem: text for path, text in zip(paths, texts, strict=True) if text}
        return merge({self._worker: await self._own.expose(), **by_worker})

    async def _answer(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            writer.write(await self._own.expose())
            await writer.drain()
        writer.close()


def merge(texts: Mapping[str, bytes]) -> bytes:
    """Merge the text format of several workers into one, each series labelled with its worker."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Merged(texts))
    return generate_latest(registry)


class _Merged(Collector):
    def __init__(self, texts: Mapping[str, bytes]) -> None:
        self._texts = texts

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for worker, text in self._texts.items():
            for family in text_string_to_metric_families(text.decode()):
                merged = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                merged.samples.extend(
                    sample._replace(labels={**sample.labels, "worker": worker}) for sample in family.samples
                )
        yield from families.values()


async def _ask(path: Path) -> bytes:
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                return await reader.read()
            finally:
                writer.close()
    return b""
