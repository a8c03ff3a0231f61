"""One scrape shows all workers, over real unix sockets."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sidecar.telemetry.metrics import Metrics
from sidecar.telemetry.siblings import Siblings


class Worker:
    def __init__(self, directory: Path, name: str) -> None:
        self.metrics = Metrics()
        self.siblings = Siblings(self.metrics, directory=directory, worker=name)


@pytest.fixture
async def workers(tmp_path: Path) -> AsyncIterator[list[Worker]]:
    started = [Worker(tmp_path, str(number)) for number in range(3)]
    for worker in started:
        await worker.siblings.start()
    yield started
    for worker in started:
        await worker.siblings.stop()


async def accepted(worker: Worker) -> dict[str, float]:
    text = (await worker.siblings.expose()).decode()
    families = list(text_string_to_metric_families(text))
    assert len({family.name for family in families}) == len(families)
    return {
        sample.labels["worker"]: sample.value
        for family in families
        for sample in family.samples
        if sample.name == "sidecar_jobs_total" and sample.labels["status"] == "202"
    }


async def test_any_worker_shows_the_counts_of_all(workers: list[Worker]) -> None:
    for number, worker in enumerate(workers):
        for _ in range(number):
            worker.metrics.job_answered(202)
    for worker in workers:
        assert await accepted(worker) == {"0": 0, "1": 1, "2": 2}


async def test_histograms_keep_their_form(workers: list[Worker]) -> None:
    workers[1].metrics.delivery_attempted(None, "other", 0.2)
    text = (await workers[0].siblings.expose()).decode()
    assert 'sidecar_delivery_seconds_bucket{le="0.25",route="other",worker="1"} 1.0' in text
    assert text.count("# TYPE sidecar_delivery_seconds histogram") == 1


async def test_a_worker_that_ended_is_left_out(workers: list[Worker]) -> None:
    await workers[1].siblings.stop()
    assert await accepted(workers[0]) == {"0": 0, "2": 0}


async def test_a_socket_that_nobody_answers_is_left_out(workers: list[Worker], tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(tmp_path / "9.metrics"))
    assert await accepted(workers[0]) == {"0": 0, "1": 0, "2": 0}


async def test_a_restarted_worker_takes_over_the_socket_of_its_name(workers: list[Worker], tmp_path: Path) -> None:
    again = Worker(tmp_path, "1")
    await again.siblings.start()
    again.metrics.job_answered(202)
    assert await accepted(workers[0]) == {"0": 0, "1": 1, "2": 0}
    await again.siblings.stop()
    await again.siblings.stop()
