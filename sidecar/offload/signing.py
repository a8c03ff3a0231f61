"""Credentials that sign links, and how long they last: no link outlives the session that signed it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

from aiobotocore.config import AioConfig
from aiobotocore.credentials import AioRefreshableCredentials
from aiobotocore.session import AioSession

from sidecar.offload.client import Keys, open_client, proxies, read_keys, region_of
from sidecar.offload.errors import OffloadError, OffloadRefused, OffloadUnavailable
from sidecar.offload.faults import talking
from sidecar.settings.offload import OffloadSettings

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client
    from types_aiobotocore_sts.client import STSClient

FOREVER: Final = float("inf")
SHORTEST_SESSION: Final = 3600.0  # seconds; every role allows this much
STILL_GOOD: Final = 60.0  # seconds; with less left a link is no use
PAUSE: Final = 30.0  # seconds between tries to begin a session while the old one still serves
STS_TIMEOUT: Final = 20.0


@dataclass(frozen=True, slots=True)
class Signer:
    """A client that signs, until ``end``: seconds since the epoch, or forever."""

    client: "S3Client"
    end: float


class Signers:
    """Gives the signer of the moment.

    Its credentials are, in this order: keys of its own from the settings; a session of its own, where AWS gives
    this process a web identity (IRSA), because the usual session is short and renewed late; what objects are
    written with.

    Args:
        session: The session of the client for objects, which brings the credential chain.
        settings: The store and its signing.
        environ: Where AWS leaves the web identity.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        session: AioSession,
        settings: OffloadSettings,
        *,
        environ: Mapping[str, str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._session = session
        self._settings = settings
        self._environ = environ
        self._clock = clock
        self._lock = asyncio.Lock()
        self._stack = AsyncExitStack()
        self._signer: Signer | None = None
        self._not_before = 0.0
        self._longest = settings.signing.session
        self._source: Callable[[], Awaitable[Signer]] = self._chain

    async def start(self) -> None:
        """Choose the source; nothing is asked over the network yet.

        Raises:
            ConfigError: A file with keys cannot be read.
        """
        keys = read_keys(self._settings.signing)
        identity = "AWS_WEB_IDENTITY_TOKEN_FILE" in self._environ and "AWS_ROLE_ARN" in self._environ
        if keys is None and not self._settings.credentials.given and identity:
            self._source = self._own_session
            return
        keys = keys or read_keys(self._settings.credentials)
        client = await self._stack.enter_async_context(
            open_client(self._session, self._settings, keys=keys, public=True)
        )
        self._signer = Signer(client, FOREVER)
        if keys is not None:
            self._source = self._fixed

    async def stop(self) -> None:
        """Close the clients; may be called twice."""
        self._signer = None
        await self._stack.aclose()

    async def get(self) -> Signer:
        """Give a signer with credentials that have some time left.

        Raises:
            OffloadUnavailable: There are no credentials just now.
            OffloadRefused: There are none at all, or the role may not be had.
        """
        return await self._source()

    async def _fixed(self) -> Signer:
        return self._standing()

    async def _chain(self) -> Signer:
        async with talking("find credentials"):
            credentials = await self._session.get_credentials()
            if credentials is None:
                raise OffloadRefused("cannot sign links: there are no credentials", code="NoCredentials")
            await credentials.get_frozen_credentials()  # renews them when they are about to end
        end = FOREVER
        if isinstance(credentials, AioRefreshableCredentials):
            expiry = cast("datetime | None", credentials._expiry_time)  # noqa: SLF001 - told nowhere else
            end = expiry.timestamp() if expiry is not None else FOREVER
        return Signer(self._standing().client, end)

    async def _own_session(self) -> Signer:
        if (signer := self._lasting()) is not None:
            return signer
        async with self._lock:
            if (signer := self._lasting()) is not None:
                return signer
            try:
                await self._begin_session()
            except OffloadError:
                self._not_before = self._clock() + PAUSE
                if self._rest() < STILL_GOOD:
                    raise
            return self._standing()

    def _lasting(self) -> Signer | None:
        """Give the present signer, if links signed now live as long as they should or half a session."""
        wanted = min(self._settings.url_ttl, self._longest / 2)
        paused = self._clock() < self._not_before and self._rest() >= STILL_GOOD
        return self._signer if paused or self._rest() >= wanted else None

    def _rest(self) -> float:
        return self._signer.end - self._clock() if self._signer is not None else 0.0

    def _standing(self) -> Signer:
        if self._signer is None:
            raise OffloadUnavailable("cannot sign links: the store's client is not open")
        return self._signer

    async def _begin_session(self) -> None:
        try:
            answer = await self._assume(self._longest)
        except OffloadRefused as error:
            if error.code != "ValidationError" or self._longest <= SHORTEST_SESSION:
                raise
            # The role's MaxSessionDuration is shorter: links that live for an hour are better than none.
            self._longest = SHORTEST_SESSION
            answer = await self._assume(self._longest)
        given = answer["Credentials"]
        keys = Keys(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
        stack = AsyncExitStack()
        client = await stack.enter_async_context(open_client(self._session, self._settings, keys=keys, public=True))
        old, self._stack = self._stack, stack
        self._signer = Signer(client, given["Expiration"].timestamp())
        await old.aclose()

    async def _assume(self, length: float) -> Any:
        """Ask STS for a session of the role (AssumeRoleWithWebIdentity)."""
        config = AioConfig(
            connect_timeout=5,
            read_timeout=10,
            retries={"mode": "standard", "total_max_attempts": 2},
            proxies=proxies(self._settings),
        )
        region = region_of(self._session, self._settings)
        async with talking("begin a session to sign links", within=STS_TIMEOUT):
            token = await asyncio.to_thread(_read, self._environ["AWS_WEB_IDENTITY_TOKEN_FILE"])
            async with self._session.create_client("sts", region_name=region, config=config) as opened:
                client = cast("STSClient", opened)
                return await client.assume_role_with_web_identity(
                    RoleArn=self._environ["AWS_ROLE_ARN"],
                    RoleSessionName=self._environ.get("AWS_ROLE_SESSION_NAME", "sidecar-links"),
                    WebIdentityToken=token,
                    DurationSeconds=int(length),
                )


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - AWS gives a text
        return file.read().strip()
