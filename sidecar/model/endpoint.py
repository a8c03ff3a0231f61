"""Endpoints: what shares a lane. Many webhooks sit behind one gateway host, so the host alone would be too coarse."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from sidecar.model.callback_url import WebhookUrl, parse_webhook_url

MAX_KEY = 200


@dataclass(frozen=True, slots=True)
class NamedEndpoint:
    """A configured endpoint: every URL that begins with ``prefix`` belongs to it."""

    name: str
    prefix: str


class EndpointRule:
    """Find the endpoint of a webhook: the longest configured prefix, else origin plus leading path segments."""

    def __init__(self, named: Sequence[NamedEndpoint] = (), *, segments: int = 2) -> None:
        rules = [(_normal(parse_webhook_url(rule.prefix)), rule.name) for rule in named]
        self._named = sorted(rules, key=lambda rule: len(rule[0]), reverse=True)
        self._segments = segments

    def endpoint_of(self, url: WebhookUrl) -> str:
        """Return the endpoint's key: an origin and path prefix of at most 200 characters."""
        if self._named:
            normal = _normal(url)
            for prefix, _ in self._named:
                if normal.startswith(prefix):
                    return _bounded(prefix)
        leading = url.path.split("/", self._segments + 1)[1 : self._segments + 1]
        return _bounded("/".join([url.origin, *leading]))

    def label_of(self, endpoint: str) -> str:
        """Return the configured name of an endpoint, else ``other``: strangers must not make metric series."""
        for prefix, name in self._named:
            if _bounded(prefix) == endpoint:
                return name
        return "other"


def _normal(url: WebhookUrl) -> str:
    return url.origin + url.path


def _bounded(key: str) -> str:
    if len(key) <= MAX_KEY:
        return key
    digest = sha256(key.encode()).hexdigest()[:32]
    return f"{key[: MAX_KEY - 33]}~{digest}"
