"""How S3's client is opened: one for objects, one whose only work is to sign links."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession

from sidecar.settings.offload import OffloadSettings, ServerSideEncryption, StoreKeys
from sidecar.settings.secrets import read_secret

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

CONNECT_TIMEOUT: Final = 5.0  # seconds
SILENCE: Final = 60.0  # seconds without a byte; completing a large upload takes a store that long
ATTEMPTS: Final = 3  # of one call, the first included; what lasts longer is for the ledger
POOL: Final = 64  # connections
DEFAULT_REGION: Final = "us-east-1"  # what stores on-premises call themselves unless told otherwise


@dataclass(frozen=True, slots=True)
class Keys:
    """Credentials; with a token they belong to a session and end with it."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


def read_keys(keys: StoreKeys) -> Keys | None:
    """Read the given keys from environment or files; ``None`` when none are given.

    Raises:
        ConfigError: A file cannot be read.
    """
    if not keys.given:
        return None
    return Keys(
        access_key=read_secret(keys.access_key, keys.access_key_file).get_secret_value(),
        secret_key=read_secret(keys.secret_key, keys.secret_key_file).get_secret_value(),
    )


def open_client(
    session: AioSession, settings: OffloadSettings, *, keys: Keys | None, public: bool = False
) -> "AbstractAsyncContextManager[S3Client]":
    """Prepare a client for the store; entering it opens it, and no connection yet.

    Args:
        session: Brings the region and the credential chain, where the settings do not say.
        settings: The store.
        keys: The credentials; ``None``: the session's chain.
        public: For signing: the address that consumers use, and no checksums, which they would have to send.
    """
    options: dict[str, Any] = {}
    if keys is not None:
        options |= {
            "aws_access_key_id": keys.access_key,
            "aws_secret_access_key": keys.secret_key,
            "aws_session_token": keys.token,
        }
    if settings.ca_file is not None:
        options["verify"] = str(settings.ca_file)
    client = session.create_client(
        "s3",
        region_name=region_of(session, settings),
        endpoint_url=_endpoint(settings, public=public),
        config=_config(settings, checksums="when_required" if public else settings.checksums),
        **options,
    )
    return cast("AbstractAsyncContextManager[S3Client]", client)


def region_of(session: AioSession, settings: OffloadSettings) -> str:
    """Tell the region: the settings', else that of the environment or profile, else S3's oldest."""
    return settings.region or session.get_config_variable("region") or DEFAULT_REGION


def sse_parameters(sse: ServerSideEncryption) -> dict[str, str]:
    """Build what every call that makes an object says about encryption."""
    match sse.type:
        case "none":
            return {}
        case "s3":
            return {"ServerSideEncryption": "AES256"}
        case "kms":
            key = {"SSEKMSKeyId": sse.key_id} if sse.key_id is not None else {}
            return {"ServerSideEncryption": "aws:kms", **key}


def _endpoint(settings: OffloadSettings, *, public: bool) -> str | None:
    url = settings.public_endpoint_url if public else None
    return url or settings.endpoint_url


def _config(settings: OffloadSettings, *, checksums: str) -> AioConfig:
    return AioConfig(
        # Without it, links for some regions would be signed in S3's old way, which no new region takes.
        signature_version="s3v4",
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=SILENCE,
        max_pool_connections=POOL,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        request_checksum_calculation=checksums,
        response_checksum_validation=checksums,
        # The environment's proxy is never used: an empty mapping says so, None would mean the environment.
        proxies=proxies(settings),
        s3={
            "addressing_style": "path" if settings.path_style else "virtual",
            # Else each part would be hashed on the loop, a third time: its digests are made in a thread already.
            "payload_signing_enabled": False,
        },
    )


def proxies(settings: OffloadSettings) -> dict[str, str]:
    """Build the client's proxies."""
    return {} if settings.proxy is None else {"http": settings.proxy, "https": settings.proxy}
