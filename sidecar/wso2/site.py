"""What must be known of a site to configure its gateway: read from options, and checked."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult

from sidecar.model.errors import ConfigError
from sidecar.settings.addresses import split_http_url

# Narrower than WSO2's own rules, so that a name can stand in XML, YAML, a path and a file name as it is.
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,49}", re.ASCII)
_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,29}", re.ASCII)
_PATH: Final = re.compile(r"(/[A-Za-z0-9][A-Za-z0-9_.~-]*)+", re.ASCII)
_HEADER: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)
_KEY: Final = re.compile(
    r"none|(env|system):[A-Za-z_][A-Za-z0-9_.]{0,99}|vault:[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", re.ASCII
)
# A URL stands in an XML attribute, in a Jinja template and in a shell file, so nothing in it may mean anything there.
_PLAIN: Final = re.compile(r"[A-Za-z0-9:/._~%\[\]-]+", re.ASCII)
LONGEST_BACKEND: Final = 110
"""Longest time in seconds for the backend: WSO2 itself gives up after 120 s (synapse.global_timeout_interval)."""


@dataclass(frozen=True, slots=True)
class Site:
    """One API behind the gateway, the sidecar and the backend that serves the API without ``callback-url``."""

    api: str
    context: str
    version: str
    base_path: str  # what all routes of the API begin with, '' for none; the gateway strips context and version
    sidecar_url: str  # with the base path
    backend_url: str
    sandbox_backend_url: str
    key: str  # where the gateway finds the secret of gateway.identity: env:NAME, system:NAME, vault:ALIAS or none
    key_header: str
    backend_jwt: bool  # whether the gateway signs a JWT for backends
    backend_timeout: int  # seconds
    environment: str  # name of the gateway environment as apictl knows it

    @property
    def key_expression(self) -> str:
        """The XPath that reads the gateway's secret where the gateway runs; '' without one. None builds the body."""
        kind, _, name = self.key.partition(":")
        return {
            "env": f"get-property('env','{name}')",
            "system": f"get-property('system','{name}')",
            "vault": f"wso2:vault-lookup('{name}')",
        }.get(kind, "")


def make_site(
    *,
    api: str,
    context: str,
    version: str,
    base_path: str,
    sidecar_url: str,
    backend_url: str,
    sandbox_backend_url: str | None = None,
    key: str = "env:SIDECAR_GATEWAY_KEY",
    key_header: str = "x-sidecar-key",
    backend_jwt: bool = False,
    backend_timeout: int = 60,
    environment: str = "onprem",
) -> Site:
    """Check what was given; without a sandbox backend of its own, sandbox keys get the backend.

    Raises:
        ConfigError: one line for each option that cannot be used, with the remedy.
    """
    base_path = "/" + base_path.strip("/") if base_path.strip("/") else ""
    urls = {
        "--sidecar-url": sidecar_url,
        "--backend-url": backend_url,
        "--sandbox-backend-url": sandbox_backend_url or backend_url,
    }
    site = Site(
        api=api,
        context="/" + context.strip("/"),
        version=version,
        base_path=base_path,
        sidecar_url=urls["--sidecar-url"].rstrip("/") + base_path,
        backend_url=urls["--backend-url"].rstrip("/"),
        sandbox_backend_url=urls["--sandbox-backend-url"].rstrip("/"),
        key=key,
        key_header=key_header,
        backend_jwt=backend_jwt,
        backend_timeout=backend_timeout,
        environment=environment,
    )
    if troubles := [*_wrong_words(site), *_wrong_urls(urls)]:
        raise ConfigError("\n".join(troubles))
    return site


def _wrong_words(site: Site) -> Iterator[str]:
    """Yield a line for each option that is no URL and cannot be used."""
    words = "letters, digits, dots, dashes and underscores"
    for option, good, remedy in (
        ("--api-name", _NAME.fullmatch(site.api), f"use up to 50 {words}"),
        ("--api-version", _VERSION.fullmatch(site.version), f"use up to 30 {words}"),
        ("--context", _PATH.fullmatch(site.context), "write a path like /orders, without the version"),
        (
            "--base-path",
            not site.base_path or _PATH.fullmatch(site.base_path),
            "write a path like /orders, without variables",
        ),
        ("--key", _KEY.fullmatch(site.key), "write env:NAME, system:NAME, vault:ALIAS or none"),
        (
            "--key-header",
            _HEADER.fullmatch(site.key_header),
            "write a header name in small letters, like x-sidecar-key",
        ),
        (
            "--backend-timeout",
            1 <= site.backend_timeout <= LONGEST_BACKEND,
            f"give 1 to {LONGEST_BACKEND} seconds; WSO2 itself gives up after 120",
        ),
        ("--environment", _NAME.fullmatch(site.environment), f"use {words}"),
    ):
        if not good:
            yield f"{option}: {remedy}"


def _wrong_urls(urls: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each URL that paths cannot be appended to."""
    for option, url in urls.items():
        try:
            _check_base_url(url)
        except ValueError as error:
            yield f"{option}: {error}"


def _check_base_url(url: str) -> None:
    """Check a URL that paths are appended to, without the slash at its end: WSO2 does not join two."""
    parts: SplitResult = split_http_url(url)
    if parts.query or "?" in url:
        raise ValueError("has a query; the gateway appends path and query of the request, so leave it out")
    if not _PLAIN.fullmatch(url):
        raise ValueError("has a character that cannot stand in XML, in templates and in a shell; percent-encode it")
