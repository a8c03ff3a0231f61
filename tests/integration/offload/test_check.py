"""What ``sidecar config check --online`` finds out about a store."""

from pathlib import Path
from typing import Any

import pytest

from sidecar.dev.object_store import EmbeddedStore
from sidecar.dev.ports import free_port
from sidecar.offload.check import Finding, check_store
from sidecar.offload.store import ObjectStore
from tests.integration.offload.builders import keys_of, make_keys, make_settings, real_settings, uploads_of
from tests.integration.offload.moto import Moto


def levels(findings: list[Finding]) -> dict[str, str]:
    return {finding.topic: finding.level for finding in findings}


async def test_all_is_well_and_nothing_is_left_behind(real_server: EmbeddedStore, real: ObjectStore) -> None:
    findings = await check_store(real_settings(real_server, prefix="checked/"))
    assert set(levels(findings)) == {"bucket", "clock", "objects", "uploads in parts", "links", "public address"}
    assert set(levels(findings).values()) == {"ok"}, findings
    assert await keys_of(real, "checked/") == []
    assert [key for key in await uploads_of(real) if key.startswith("checked/")] == []


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"bucket": "no-such-bucket"}, "404"),
        ({"credentials": make_keys("nobody", "knows")}, "403"),
        ({"endpoint_url": f"http://127.0.0.1:{free_port()}"}, "EndpointConnectionError"),
        ({"bucket": None}, "bucket"),
        ({"ca_file": Path("/not/there")}, ""),
    ],
)
async def test_what_stands_in_the_way_is_told_with_a_remedy(
    real_server: EmbeddedStore, real: ObjectStore, over: dict[str, Any], words: str
) -> None:
    await real.head("x")
    [finding] = await check_store(real_settings(real_server, **{"endpoint_url": real_server.endpoint_url, **over}))
    assert finding.level == "fail"
    assert words in finding.text
    assert finding.remedy


async def test_an_address_that_consumers_may_not_reach_is_a_warning(
    real_server: EmbeddedStore, real: ObjectStore
) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    findings = await check_store(real_settings(real_server, public_endpoint_url=nowhere))
    assert levels(findings)["public address"] == "warn"
    assert await keys_of(real, "sidecar/check/") == []


async def test_a_signer_that_the_store_does_not_know_fails(real_server: EmbeddedStore) -> None:
    real_server.start()
    signer = make_keys("nobody", "knows").model_dump()
    findings = await check_store(real_settings(real_server, signing=signer))
    assert levels(findings)["public address"] == "fail"


async def test_links_that_end_early_are_a_warning(
    moto: Moto, store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("a.web.token")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", moto.endpoint_url)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/sidecar")
    assert store.bucket
    findings = await check_store(make_settings(moto.endpoint_url, credentials={}, signing={"session": "1h"}))
    [links] = [finding for finding in findings if finding.topic == "links"]
    assert links.level == "warn"
    assert "instead of 24h" in links.text
    assert "MaxSessionDuration" in links.remedy
