"""Links that let others read or write one object for a while (SigV4 in the query)."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal
from urllib.parse import parse_qs, urlsplit

from sidecar.offload.errors import OffloadUnavailable
from sidecar.offload.faults import talking
from sidecar.offload.signing import STILL_GOOD, Signers

LONGEST: Final = 7 * 86400.0  # seconds; SigV4's limit


@dataclass(frozen=True, slots=True)
class Link:
    """A link, and when it ends at the latest. Who holds the URL may use it: it goes into no log."""

    url: str
    expires_at: datetime

    def __repr__(self) -> str:
        return f"Link(expires_at={self.expires_at.isoformat()})"


class Links:
    """Signs links, none of which outlives the credentials that signed it."""

    def __init__(self, signers: Signers, *, clock: Callable[[], float] = time.time) -> None:
        self._signers = signers
        self._clock = clock

    async def sign(self, method: Literal["get_object", "put_object"], parameters: dict[str, Any], ttl: float) -> Link:
        """Sign a link that lives for ``ttl`` seconds, or as long as the credentials if that is shorter.

        Raises:
            OffloadUnavailable: There are no credentials just now, or they end within a minute.
            OffloadRefused: There are no credentials at all.
        """
        signer = await self._signers.get()
        rest = signer.end - self._clock()
        if rest < STILL_GOOD:
            raise OffloadUnavailable("cannot sign links: the credentials are about to end")
        lives = int(min(ttl, rest, LONGEST))
        async with talking("sign a link"):
            url = await signer.client.generate_presigned_url(method, Params=parameters, ExpiresIn=lives)
        return Link(url, ends_at(url))

    async def credentials_end(self) -> datetime | None:
        """Tell until when links signed now can live; ``None``: as long as S3 allows.

        Raises:
            OffloadUnavailable: There are no credentials just now.
            OffloadRefused: There are no credentials at all.
        """
        end = (await self._signers.get()).end
        return None if end == float("inf") else datetime.fromtimestamp(end, UTC)


def ends_at(url: str) -> datetime:
    """Read from a signed link when it ends."""
    query = parse_qs(urlsplit(url).query)
    signed = datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return signed + timedelta(seconds=int(query["X-Amz-Expires"][0]))
