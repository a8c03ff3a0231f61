"""The operators' desk of a worker process: a few connections of their own, so that they are in nobody's way."""

from sidecar.ledger import Ledger, LedgerConfig
from sidecar.ledger.operator import OperatorLedger
from sidecar.model.audit import Actor
from sidecar.operate.local import EndpointNames, LocalOperator
from sidecar.settings.root import Settings

CONNECTIONS = 2
PATIENCE = 5.0
"""Seconds that a statement of an operator may take."""


class OperatorDesk:
    """Lets operators act, each in their own name. Connections are opened when the first one asks."""

    def __init__(self, ledger: OperatorLedger, *, names: EndpointNames, retention: float) -> None:
        self._ledger = ledger
        self._names = names
        self._retention = retention

    def operator(self, by: Actor) -> LocalOperator:
        """Make the operator that acts in somebody's name."""
        return LocalOperator(self._ledger, by=by, names=self._names, retention=self._retention)

    async def close(self) -> None:
        """Close the connections."""
        await self._ledger.close()


def operator_desk(settings: Settings, ledger: Ledger) -> OperatorDesk:
    """Set up the desk."""
    database = settings.database
    config = LedgerConfig(
        dsn=database.dsn.get_secret_value(),
        password=database.password.get_secret_value() if database.password else None,
        password_file=database.password_file,
        pool=CONNECTIONS,
        pooler=database.pooler,
        statement_timeout=min(database.statement_timeout, PATIENCE),
        application="operator",
    )
    operators = OperatorLedger(config, clock=ledger.clock)
    return OperatorDesk(operators, names=EndpointNames(settings.webhook), retention=settings.retention.jobs)
