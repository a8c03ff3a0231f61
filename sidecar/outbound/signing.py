"""The keys that sign messages: read again when their files change, so that they are rotated without a restart."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Final

import orjson
from pydantic import SecretStr

from sidecar.model.callback_url import parse_webhook_url
from sidecar.model.endpoint import EndpointRule
from sidecar.model.errors import ConfigError
from sidecar.model.webhook_signature import PrivateKey, Secret, Signer, signature
from sidecar.settings.secrets import FileStamp, file_stamp, read_secrets
from sidecar.settings.webhook import WebhookSettings, WebhookSigning
from sidecar.telemetry.events import Event
from sidecar.telemetry.log import EventLog

LOOK_AGAIN: Final = 1.0  # seconds between two looks at the files
LARGE: Final = 1024 * 1024  # bytes; signing more than that would hold up the loop
_REMEMBERED: Final = 4096  # callback-urls


class SigningKeys:
    """The keys of one ``signing`` section, the newest first.

    Args:
        name: The section, for messages.
        settings: It.
        log: Where a file is told that became unusable: what was read before counts on.
        clock: Steady seconds.

    Raises:
        ConfigError: A key cannot be used.
    """

    def __init__(
        self, name: str, settings: WebhookSigning, *, log: EventLog, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._settings = settings
        self._log = log
        self._clock = clock
        self._stamps = self._look()
        self._keys = self._read()

    def current(self) -> Sequence[Signer]:
        """Return the keys; changed files are noticed within a second."""
        if self._clock() - self._looked_at >= LOOK_AGAIN:
            stamps = self._look()
            if stamps != self._stamps:
                self._stamps = stamps
                try:
                    self._keys = self._read()
                except ConfigError as error:
                    self._log.error(Event.SIGNING_KEYS_UNREADABLE, setting=self._name, why=str(error))
        return self._keys

    def _look(self) -> tuple[FileStamp | None, FileStamp | None]:
        self._looked_at = self._clock()
        return file_stamp(self._settings.secrets_file), file_stamp(self._settings.ed25519_key_file)

    def _read(self) -> tuple[Signer, ...]:
        given, keys = self._settings, list[Signer]()
        if given.secrets or given.secrets_file is not None:
            keys += self._made(Secret, "secrets_file", given.secrets, given.secrets_file)
        if given.ed25519_key or given.ed25519_key_file is not None:
            keys += self._made(PrivateKey, "ed25519_key_file", given.ed25519_key, given.ed25519_key_file)
        return tuple(keys)

    def _made(
        self, make: Callable[[str], Signer], key: str, values: tuple[SecretStr, ...] | None, file: Path | None
    ) -> Iterator[Signer]:
        for number, text in enumerate(read_secrets(values, file), start=1):
            try:
                yield make(text.get_secret_value())
            except ValueError as error:
                where = f"{self._name}.{key}: number {number} cannot be used, {error}"
                raise ConfigError(f"{where}; make one with: sidecar secrets generate") from None  # it holds the value


class Signatures:
    """Sign messages with the keys of their endpoint, else with those of all.

    Args:
        general: The keys of ``webhook.signing``.
        own: The keys of endpoints, by the endpoint's key.
        endpoints: Tells the endpoint of a callback-url.
    """

    def __init__(
        self, general: SigningKeys | None, own: Mapping[str, SigningKeys] | None = None, *, endpoints: EndpointRule
    ) -> None:
        self._general = general
        self._own = dict(own or {})
        self._endpoints = endpoints
        self._of_url = lru_cache(maxsize=_REMEMBERED)(self._find)

    async def header(self, url: str, *, message_id: str, timestamp: int, body: bytes) -> str | None:
        """Return the value of ``webhook-signature`` for one attempt; ``None`` where nothing is signed."""
        keys = self._of_url(url) if self._own else self._general
        if keys is None:
            return None
        signers = keys.current()
        if len(body) <= LARGE:
            return signature(signers, message_id=message_id, timestamp=timestamp, body=body)
        return await asyncio.to_thread(signature, signers, message_id=message_id, timestamp=timestamp, body=body)

    def document(self) -> tuple[bytes, str]:
        """Render the public keys as a JWK set (RFC 7517), and tell its entity tag."""
        keys: dict[str, dict[str, str]] = {}
        for source in (self._general, *self._own.values()):
            for key in source.current() if source is not None else ():
                if isinstance(key, PrivateKey):
                    keys.setdefault(key.public, {**key.jwk(), "webhook_key": key.public})
        body = orjson.dumps({"keys": list(keys.values())})
        return body, f'"{sha256(body).hexdigest()[:32]}"'

    def _find(self, url: str) -> SigningKeys | None:
        endpoint = self._endpoints.endpoint_of(parse_webhook_url(url))
        return self._own.get(endpoint, self._general)


def make_signatures(webhook: WebhookSettings, endpoints: EndpointRule, *, log: EventLog) -> Signatures:
    """Make what the settings describe.

    Raises:
        ConfigError: A key cannot be read or used.
    """
    general = None if webhook.signing is None else SigningKeys("webhook.signing", webhook.signing, log=log)
    own = {
        endpoints.endpoint_of(parse_webhook_url(rule.match)): SigningKeys(
            f"webhook.endpoints[{index}].signing", rule.signing, log=log
        )
        for index, rule in enumerate(webhook.endpoints)
        if rule.signing is not None
    }
    return Signatures(general, own, endpoints=endpoints)
