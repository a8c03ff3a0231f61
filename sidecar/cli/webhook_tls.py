"""Connecting to a webhook as messages do, and telling what its TLS shows, or why there is no connection."""

import asyncio
import os
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sidecar.model.callback_url import WebhookUrl
from sidecar.model.egress import Address
from sidecar.offload.check import Finding
from sidecar.settings.units import render_duration

SOON = timedelta(days=14)
"""A certificate that ends sooner deserves a warning."""

# Of OpenSSL's X509_V_ERR_*
_EXPIRED, _SELF_SIGNED, _SELF_SIGNED_CHAIN, _NO_ISSUER, _NO_FIRST = 10, 18, 19, 20, 21
_OTHER_HOST, _OTHER_ADDRESS = 62, 64


async def connection(
    url: WebhookUrl, addresses: Sequence[Address], context: ssl.SSLContext | None, *, within: float
) -> Finding:
    """Connect to the first address that takes the connection, and end it again; ``within`` is seconds for each."""
    fault: Exception = ConnectionError("no address")
    for address in addresses:
        try:
            return shown(await _connected(url, str(address), context, within))
        except (OSError, TimeoutError) as error:
            fault = error
    return broken(fault, within=within)


def shown(tls: ssl.SSLObject | None) -> Finding:
    """Tell what a connection shows."""
    if tls is None:
        remedy = "no credentials are ever sent so, and anybody on the way can read"
        return Finding("warn", "connection", "made, without TLS", remedy)
    certificate: dict[str, Any] = dict(tls.getpeercert() or {})
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
    issuer = {name: value for parts in certificate["issuer"] for name, value in parts}
    by = issuer.get("organizationName") or issuer.get("commonName") or "an authority"
    text = f"made, {tls.version()}; its certificate is by {by} and lasts until {ends:%Y-%m-%d}"
    if ends - datetime.now(UTC) < SOON:
        return Finding("warn", "connection", text, "that is soon: its owner should renew it")
    return Finding("ok", "connection", text)


def broken(error: Exception, *, within: float) -> Finding:
    """Tell why there is no connection."""
    if isinstance(error, ssl.SSLCertVerificationError):
        text = f"its certificate is refused: {error.verify_message}"
        return Finding("fail", "connection", text, certificate_remedy(error.verify_code))
    if isinstance(error, ssl.SSLError):
        text = f"no TLS connection: {(error.reason or 'it broke').replace('_', ' ').lower()}"
        return Finding("fail", "connection", text, "does that port speak https, and TLS 1.2 or newer?")
    if isinstance(error, TimeoutError):
        text = f"none within {render_duration(within)}"
        return Finding("fail", "connection", text, "does a firewall drop it? Or raise webhook.timeouts.connect")
    number = getattr(error, "errno", None)  # asyncio puts words of its own with it
    why = os.strerror(number) if number else type(error).__name__
    return Finding("fail", "connection", f"none: {why}", "does it listen there, and may this machine reach it?")


def certificate_remedy(code: int) -> str:
    """Tell what helps against a certificate that was refused, by OpenSSL's code."""
    if code in {_SELF_SIGNED, _SELF_SIGNED_CHAIN, _NO_ISSUER, _NO_FIRST}:
        return "name the file of its authority in webhook.ca_file; or its server does not send the whole chain"
    if code == _EXPIRED:
        return "its owner has to renew it; is this machine's clock right?"
    if code in {_OTHER_HOST, _OTHER_ADDRESS}:
        return "the callback-url must use a name that the certificate is for, or its owner adds this one"
    return "its owner has to mend it"


async def _connected(
    url: WebhookUrl, address: str, context: ssl.SSLContext | None, within: float
) -> ssl.SSLObject | None:
    host = url.host.strip("[]").rstrip(".") if context is not None else None
    async with asyncio.timeout(within):
        _, writer = await asyncio.open_connection(address, url.port, ssl=context, server_hostname=host)
    tls: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
    writer.transport.abort()
    return tls
