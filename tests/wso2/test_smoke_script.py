"""The smoke test that administrators run, run against a real engine."""

from pathlib import Path

from tests.wso2.conftest import Gateway, run_program
from tests.wso2.engine.maven import program
from tests.wso2.variants import Addresses


async def smoke(gateway: Gateway, variant: str, directory: Path) -> tuple[int, str]:
    at = Addresses(gateway.places, gateway.replica.ports.gateway_url)
    script = directory / "smoke.sh"
    script.write_text(at.files("smoke", variant)["smoke.sh"])
    hook = gateway.world.hook
    sh, _ = program("sh"), program("curl")
    return await run_program(sh, str(script), env={"GATEWAY": gateway.engine.url, "CALLBACK_URL": hook})


async def test_it_says_right_where_both_requests_go_where_they_should(gateway: Gateway, tmp_path: Path) -> None:
    world = gateway.world
    world.services.behaviours["stock"] = world.services.responds(lambda _: b"counted")
    code, printed = await smoke(gateway, "sequence-backend", tmp_path)
    assert code == 0, printed
    assert printed.startswith("Right. Without callback-url: HTTP/1.1 200 OK. With it: HTTP/1.1 202 Accepted")


async def test_it_says_wrong_where_the_policy_was_dropped(gateway: Gateway, tmp_path: Path) -> None:
    code, printed = await smoke(gateway, "dropped", tmp_path)
    assert code == 1
    assert printed.startswith("WRONG: with callback-url no sidecar accepted it")


async def test_it_says_wrong_where_everything_goes_to_the_sidecar(gateway: Gateway, tmp_path: Path) -> None:
    world = gateway.world
    world.other.behaviours["backend"] = world.other.responds(lambda _: b"", headers={"x-job-id": "made by a sidecar"})
    code, printed = await smoke(gateway, "policy", tmp_path)
    assert code == 1
    assert printed.startswith("WRONG: without callback-url the sidecar answered")
