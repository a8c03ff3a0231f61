"""The object store for large bodies."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from sidecar.model.shape import Style
from sidecar.settings.addresses import BaseUrl
from sidecar.settings.section import Section
from sidecar.settings.units import DAY, HOUR, KIB, Duration, Size, lasting

BucketName = Annotated[str, Field(min_length=3, max_length=63)]


class StoreKeys(Section):
    """A pair of keys of the store."""

    access_key: SecretStr | None = None
    """The access key itself: for the environment, never for the file."""
    access_key_file: Path | None = None
    """File that holds the access key."""
    secret_key: SecretStr | None = None
    """The secret key itself: for the environment, never for the file."""
    secret_key_file: Path | None = None
    """File that holds the secret key."""

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if self._has_access_key != self._has_secret_key:
            raise ValueError("needs access_key_file and secret_key_file both, or neither of them")
        return self

    @property
    def given(self) -> bool:
        """Whether there are keys at all."""
        return self._has_access_key

    @property
    def _has_access_key(self) -> bool:
        return self.access_key is not None or self.access_key_file is not None

    @property
    def _has_secret_key(self) -> bool:
        return self.secret_key is not None or self.secret_key_file is not None


class LinkSigning(StoreKeys):
    """The credentials that sign download links."""

    session: Annotated[Duration, lasting("15m", "12h")] = 12 * HOUR
    """Length of the session that signs links, a duration; no link outlives it."""


class ServerSideEncryption(Section):
    """How the store encrypts objects."""

    type: Literal["none", "s3", "kms"] = "none"
    """``none``, ``s3`` (the store's own keys) or ``kms``."""
    key_id: str | None = None
    """Key for ``kms``, an id, alias or ARN."""

    @model_validator(mode="after")
    def _key_fits(self) -> Self:
        if self.key_id is not None and self.type != "kms":
            raise ValueError("has a key_id without type: kms; write type: kms or leave key_id out")
        return self


class OffloadOverride(Section):
    """Where one route's bodies go instead, for residency."""

    bucket: BucketName | None = None
    """Bucket of this route. Unset: offload.bucket."""
    prefix: str | None = None
    """Beginning of this route's object keys. Unset: offload.prefix."""


class OffloadSettings(Section):
    """The object store for large bodies; without it all bodies live in Postgres."""

    bucket: BucketName | None = None
    """Bucket for bodies above the threshold."""
    prefix: str = "sidecar/"
    """Beginning of every object key."""
    region: str | None = None
    """Region of the bucket. Unset: the credential chain's."""
    endpoint_url: BaseUrl | None = None
    """Address of an on-premises store. Unset: AWS."""
    public_endpoint_url: BaseUrl | None = None
    """Address of the store as consumers reach it; links are signed for it. Unset: endpoint_url."""
    path_style: bool = True
    """Whether the bucket stands in the path, as on-premises stores want it; false in AWS."""
    credentials: StoreKeys = StoreKeys()
    """Keys for the store on-premises. Unset: AWS's usual chain (environment, IRSA, instance)."""
    ca_file: Path | None = None
    """PEM file of the authorities that the store's certificate is checked against. Unset: the system's."""
    proxy: BaseUrl | None = None
    """HTTP proxy for calls of the store."""
    checksums: Literal["when_required", "when_supported"] = "when_required"
    """When checksums are sent; ``when_supported`` in AWS."""
    threshold: Size = 256 * KIB
    """Largest body that stays in Postgres, a size; a larger one is an object, and delivered as an indirect message.

    At most database.max_body counts.
    """
    compression: Literal["gzip", "zstd", "none"] = "gzip"
    """How objects are compressed."""
    style: Style = "encoded"
    """``encoded`` marks a compressed object by Content-Encoding, ``file`` names it .gz and leaves it a file."""
    download: Literal["redirect", "proxy"] = "redirect"
    """``redirect`` sends consumers to the store, ``proxy`` streams through the sidecar."""
    url_ttl: Annotated[Duration, lasting("1m", "7d")] = DAY
    """How long a link lives, a duration, at most 7d."""
    signing: LinkSigning = LinkSigning()
    """The credentials that sign links."""
    sse: ServerSideEncryption = ServerSideEncryption()
    """How the store encrypts objects."""
