"""A request whose messages would go where they may not is refused, with one text for every reason."""

from typing import Any

import pytest

from sidecar.accept.targets import DETAIL, Targets
from sidecar.model.callback_url import WebhookUrl, parse_webhook_url
from sidecar.model.egress import EgressReason, Refusal
from sidecar.model.errors import ProblemError
from sidecar.telemetry.metrics import Metrics
from tests.unit.builders import Lines, make_request

UPLOAD = parse_webhook_url("https://store.example/bucket/key?signature=secret")


class Egress:
    """Refuses the hosts that it is given."""

    def __init__(self, **refused: EgressReason) -> None:
        self._refused = refused

    async def refusal(self, url: WebhookUrl) -> Refusal | None:
        reason = self._refused.get(url.host.partition(".")[0])
        return None if reason is None else Refusal(reason, f"{url.host} is what it is")


async def check(egress: Egress, **over: Any) -> list[dict[str, Any]]:
    lines = Lines()
    try:
        await Targets(egress, log=lines.log, metrics=Metrics()).check(make_request(**over))
    finally:
        told = lines.events()
    return told


async def test_what_may_be_called_passes_in_silence() -> None:
    assert await check(Egress(), upload=UPLOAD) == []


@pytest.mark.parametrize("reason", list(EgressReason))
@pytest.mark.parametrize(("host", "code"), [("hooks", "callback_url_refused"), ("store", "upload_url_refused")])
async def test_the_caller_gets_one_text_and_the_operator_the_reason(reason: EgressReason, host: str, code: str) -> None:
    lines, metrics = Lines(), Metrics()
    with pytest.raises(ProblemError) as caught:
        await Targets(Egress(**{host: reason}), log=lines.log, metrics=metrics).check(make_request(upload=UPLOAD))
    assert (caught.value.problem.status, caught.value.problem.code) == (403, code)
    assert caught.value.problem.detail == DETAIL
    (line,) = lines.events()
    assert (line["event"], line["reason"], line["detail"]) == (
        "egress.refused",
        reason,
        f"{host}.example is what it is",
    )
    assert (line["host"], line["application"]) == (f"{host}.example:443", "shop")
    assert "signature" not in str(line)
    assert f'{{reason="{reason}",stage="accept"}} 1.0'.encode() in await metrics.expose()
