"""What must be known of a site to configure its gateway: read from options, and checked."""

import re
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
    context = "/" + context.strip("/")
    base_path = "/" + base_path.strip("/") if base_path.strip("/") else ""
    troubles = [
        f"{option}: {remedy}"
        for option, good, remedy in (
            ("--api-name", _NAME.fullmatch(api), "use up to 50 letters, digits, dots, dashes and underscores"),
            (
                "--api-version",
                _VERSION.fullmatch(version),
                "use up to 30 letters, digits, dots, dashes and underscores",
            ),
            ("--context", _PATH.fullmatch(context), "write a path like /orders, without the version"),
            (
                "--base-path",
                not base_path or _PATH.fullmatch(base_path),
                "write a path like /orders, without variables",
            ),
            ("--key", _KEY.fullmatch(key), "write env:NAME, system:NAME, vault:ALIAS or none"),
            ("--key-header", _HEADER.fullmatch(key_header), "write a header name in small letters, like x-sidecar-key"),
            (
                "--backend-timeout",
                1 <= backend_timeout <= LONGEST_BACKEND,
                f"give 1 to {LONGEST_BACKEND} seconds; WSO2 itself gives up after 120",
            ),
            ("--environment", _NAME.fullmatch(environment), "use letters, digits, dots, dashes and underscores"),
        )
        if not good
    ]
    urls: dict[str, str] = {}
    for option, url in (
        ("--sidecar-url", sidecar_url),
        ("--backend-url", backend_url),
        ("--sandbox-backend-url", sandbox_backend_url or backend_url),
    ):
        try:
            urls[option] = _base_url(url)
        except ValueError as error:
            troubles.append(f"{option}: {error}")
    if troubles:
        raise ConfigError("\n".join(dict.fromkeys(troubles)))
    return Site(
        api=api,
        context=context,
        version=version,
        base_path=base_path,
        sidecar_url=urls["--sidecar-url"] + base_path,
        backend_url=urls["--backend-url"],
        sandbox_backend_url=urls["--sandbox-backend-url"],
        key=key,
        key_header=key_header,
        backend_jwt=backend_jwt,
        backend_timeout=backend_timeout,
        environment=environment,
    )


def _base_url(url: str) -> str:
    """Check a URL that paths are appended to. WSO2 does not join two slashes, so it must not end with one."""
    parts: SplitResult = split_http_url(url)
    if parts.query or "?" in url:
        raise ValueError("has a query; the gateway appends path and query of the request, so leave it out")
    if not _PLAIN.fullmatch(url):
        raise ValueError("has a character that cannot stand in XML, in templates and in a shell; percent-encode it")
    return url.rstrip("/")
