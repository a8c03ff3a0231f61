"""The demo key manager and its authority: what the tour shows has to be true."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import TypeAdapter
from rich.console import Console

from sidecar.dev.demo import Demo
from sidecar.dev.narrator import Narrator
from sidecar.outbound.grant import Granted, NotGranted
from sidecar.outbound.token_server import TokenServer
from sidecar.settings.service_users import PasswordGrant

MATCH = "https://127.0.0.1:8083/webhook"


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[Demo]:
    made = Demo(tmp_path / "demo", Narrator(Console(quiet=True)))
    await made.key_manager.start()
    yield made
    await made.key_manager.stop()


async def fetched(demo: Demo) -> Granted | NotGranted:
    (user,) = demo.settings("http://127.0.0.1:9000", MATCH)["webhook"]["service_users"]
    server = TokenServer(TypeAdapter(PasswordGrant).validate_python(user), worker=lambda: 5)
    try:
        return await server.fetch()
    finally:
        await server.close()


async def test_the_sidecar_gets_a_token_by_the_settings_that_the_demo_writes(demo: Demo) -> None:
    granted = await fetched(demo)
    assert isinstance(granted, Granted), granted
    assert granted.lifetime == 3600
    key_manager = demo.key_manager
    assert key_manager.whose({"authorization": f"Bearer {granted.token}"}) == "svc-async"
    assert key_manager.whose({"authorization": f"Basic {granted.token}"}) is None
    assert key_manager.whose({}) is None
    another = await fetched(demo)
    assert isinstance(another, Granted)
    assert key_manager.whose({"authorization": f"Bearer {granted.token}"}) is None  # as WSO2 does
    key_manager.revoke()
    assert key_manager.whose({"authorization": f"Bearer {another.token}"}) is None


async def test_a_wrong_secret_or_password_gets_none(demo: Demo, tmp_path: Path) -> None:
    (user,) = demo.settings("http://127.0.0.1:9000", MATCH)["webhook"]["service_users"]
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong")
    for name, error in (("client_secret_file", "invalid_client"), ("password_file", "invalid_grant")):
        settings = TypeAdapter(PasswordGrant).validate_python({**user, name: str(wrong)})
        server = TokenServer(settings, worker=lambda: 5)
        got = await server.fetch()
        await server.close()
        assert isinstance(got, NotGranted)
        assert error in got.text
