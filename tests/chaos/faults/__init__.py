"""Every fault, by name. A fault is committed, lasts for a while, and is mended before it returns."""

import random
from collections.abc import Awaitable, Callable, Mapping

from tests.chaos.faults import database, key_manager, processes, storage, webhooks
from tests.chaos.site import Site

Fault = Callable[[Site, random.Random], Awaitable[None]]

FAMILIES: Mapping[str, Mapping[str, Fault]] = {
    "processes": processes.FAULTS,
    "database": database.FAULTS,
    "storage": storage.FAULTS,
    "webhooks": webhooks.FAULTS,
    "key manager": key_manager.FAULTS,
}
