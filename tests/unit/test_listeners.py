import asyncio
import socket

import pytest

from sidecar.accept.identity import NoIdentity
from sidecar.listeners import Listeners, accept_rules
from sidecar.model.errors import ConfigError
from sidecar.telemetry.metrics import Metrics
from tests.unit.builders import Lines
from tests.unit.settings.builders import make_settings


def test_the_rules_of_accepting_come_from_the_settings() -> None:
    rules = accept_rules(
        make_settings(
            gateway__wait="1s",
            gateway__max_wait="3s",
            gateway__correlation=["activityid"],
            callbacks__base_url="http://Sidecar:8081/base/",
        ),
        NoIdentity(),
    )
    assert (rules.wait, rules.max_wait, rules.correlation) == (1.0, 3.0, ("activityid",))
    assert rules.callbacks_url == "http://Sidecar:8081/base"
    assert rules.own_callbacks == "http://sidecar:8081/base/callbacks/"
    assert isinstance(rules.identity, NoIdentity)


def test_replicas_of_one_installation_share_a_marker_and_others_do_not() -> None:
    one, two, other = (
        accept_rules(make_settings(callbacks__base_url=url), NoIdentity()).marker
        for url in ("http://sidecar:8081", "http://sidecar:8081/", "http://other:8081")
    )
    assert one == two != other
    assert "sidecar" not in one


async def test_an_address_that_is_taken_is_named_with_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = make_settings(callbacks__listen=f"127.0.0.1:{taken.getsockname()[1]}")
        listeners = Listeners(settings, log=Lines().log, metrics=Metrics(), reuse_port=False)
        with pytest.raises(ConfigError, match=r"callbacks\.listen: 127\.0\.0\.1:\d+ cannot be opened"):
            await listeners.open_callbacks(gather=None)  # type: ignore[arg-type]  # nothing is served
    await listeners.close()
    assert listeners.ports == {}


async def test_listeners_close_what_was_opened_and_closing_twice_does_nothing() -> None:
    settings = make_settings(callbacks__listen="127.0.0.1:0")
    listeners = Listeners(settings, log=Lines().log, metrics=Metrics(), reuse_port=False)
    await listeners.open_callbacks(gather=None)  # type: ignore[arg-type]  # nothing is served
    port = listeners.ports["callbacks"]
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    await writer.wait_closed()
    await listeners.close()
    await listeners.close()
    with pytest.raises(OSError, match=r"refused|Connect call failed"):
        await asyncio.open_connection("127.0.0.1", port)
