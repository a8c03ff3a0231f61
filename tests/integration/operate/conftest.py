"""Fixtures: a desk on a fresh database."""

from collections.abc import Iterator

import pytest

from tests.integration.operate.desk import Desk, open_desk


@pytest.fixture
def desk(database: str) -> Iterator[Desk]:
    with open_desk(database) as opened:
        yield opened
