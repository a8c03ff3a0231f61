"""The OAuth2 token server (a WSO2 key manager, for one) of one service user."""

from collections.abc import Callable

from sidecar.model.errors import ConfigError
from sidecar.model.reasons import OwnReason
from sidecar.outbound.grant import Grant, Granted, NotGranted, read_answer, token_request
from sidecar.outbound.requests import send
from sidecar.outbound.sessions import service_session
from sidecar.settings.secrets import LiveSecret
from sidecar.settings.service_users import OAuthClient, PasswordGrant

MAX_ANSWER = 64 * 1024
"""Bytes of its answer that are read."""


class TokenServer:
    """Asks for tokens; redirects are never followed.

    Args:
        user: The settings.
        worker: Tells the number that stands for ``{worker}`` in a scope.

    Raises:
        ConfigError: A secret or the file of authorities cannot be read.
    """

    def __init__(self, user: OAuthClient, *, worker: Callable[[], int]) -> None:
        login = user if isinstance(user, PasswordGrant) else None
        self._grant = Grant(
            client_id=user.client_id,
            scopes=user.scopes,
            username=None if login is None else login.username,
            secret_in_body=user.client_auth == "body",
        )
        self._secret = LiveSecret(user.client_secret, user.client_secret_file)
        self._password = None if login is None else LiveSecret(login.password, login.password_file)
        self._url = user.token_url
        self._timeout = user.timeout
        self._worker = worker
        self._session = service_session(connect_timeout=user.timeout, ca_file=user.ca_file, proxy=user.proxy)

    async def fetch(self) -> Granted | NotGranted:
        """Ask once; secrets are read anew from their files each time."""
        try:
            secret = self._secret.read()
            password = None if self._password is None else self._password.read()
        except ConfigError as error:
            return NotGranted(OwnReason.UNREADABLE, str(error))
        request = token_request(self._grant, secret=secret, password=password, worker=self._worker())
        answer = await send(
            self._session,
            method="POST",
            url=self._url,
            headers=request.headers,
            body=request.body,
            timeout=self._timeout,
            max_response=MAX_ANSWER,
        )
        return read_answer(answer, hide=[part for part in (secret, password) if part])

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()
