"""What `/metrics` of a real process shows, and that alerts and dashboard speak of nothing else."""

from collections import defaultdict

from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.conftest import MakeReplica
from tests.acceptance.harness.replica import Replica, ending
from tests.acceptance.harness.site import route, service
from tests.acceptance.harness.waiting import ask_until, wait_until
from tests.acceptance.harness.world import Places, World
from tests.monitoring_files import expressions, labels_in, series_in

Series = dict[str, list[tuple[dict[str, str], float]]]


async def series(world: World, replica: Replica) -> Series:
    text = (await world.ask(f"{replica.ports.admin_url}/metrics")).body.decode()
    found: Series = defaultdict(list)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name].append((sample.labels, sample.value))
    return found


def total(found: Series, name: str, **labels: str) -> float:
    """The sum over all series that have these labels; there has to be one."""
    values = [value for has, value in found[name] if labels.items() <= has.items()]
    assert values, (name, labels)
    return sum(values)


async def test_every_series_and_label_of_alerts_and_dashboard_is_there_before_the_first_job(
    places: Places, world: World, make_replica: MakeReplica
) -> None:
    replica = make_replica([route("/each", service("billing", places.services_url))])
    with ending(replica):
        await replica.start()
        found = await series(world, replica)
        for expression in expressions():
            used = series_in(expression)
            assert used, expression
            assert used <= found.keys(), expression
            labels = {label for name in used for has, _ in found[name] for label in has}
            assert labels_in(expression) <= labels, expression


async def test_a_job_is_timed_at_every_stage_by_route_and_service_whichever_worker_has_it(
    places: Places, world: World, make_replica: MakeReplica
) -> None:
    world.services.behaviours["billing"] = world.services.calls_back(lambda call: call.body, {})
    replica = make_replica([route("/each/{id}", service("billing", places.services_url))], workers=2)
    with ending(replica):
        await replica.start()
        await wait_until(lambda: replica.log.read_text().count("sidecar.started") == 2, "both workers serve")
        for number in range(4):
            accepted = await world.submit(f"{replica.ports.gateway_url}/each/{number}", b"x")
            await world.message(accepted.headers["x-job-id"], "billing")
        stages = {
            "accept": {"route": "/each/{id}"},
            "invocation": {"route": "/each/{id}", "service": "billing"},
            "callback_wait": {"route": "/each/{id}", "service": "billing"},
            "delivery": {"route": "/each/{id}"},
            "end_to_end": {"route": "/each/{id}"},
        }

        async def counted() -> bool:
            found = await series(world, replica)
            return all(total(found, f"sidecar_{name}_seconds_count", **has) == 4 for name, has in stages.items())

        await ask_until(counted, "all four jobs at every stage")
        found = await series(world, replica)
        assert {has["worker"] for has, _ in found["sidecar_accept_seconds_count"]} == {"0", "1"}
        whole = total(found, "sidecar_end_to_end_seconds_sum")
        assert 0 < total(found, "sidecar_callback_wait_seconds_sum") <= whole
        assert total(found, "sidecar_ledger_batch_rows_sum", kind="accept") == 4
        assert total(found, "sidecar_messages_total", end="delivered") == 4
