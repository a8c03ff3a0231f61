"""What a claim of due retries costs, by how many are pending and how many endpoints they are for."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from time import perf_counter, time

from benchmarks.kit.database import connection, make_database
from benchmarks.kit.figures import Figure
from benchmarks.kit.report import Report, Tell, report_of
from benchmarks.retries.filling import add_due, sql
from sidecar.dev.postgres import EmbeddedPostgres
from sidecar.ledger import Ledger, LedgerConfig
from sidecar.model.delivery import Delivery
from sidecar.model.invocation import Invocation

SPREADS = (1, 100, 2000)
"""Numbers of endpoints: a third of the pending rows lies on each."""

CLAIM = 100
CLAIMS = 30
BODY = 100  # bytes
SPREAD = 3600.0  # seconds over which they became due
GROWTH = 1.5
"""Most that a claim may cost with the most pending rows, as a multiple of what it costs with the least."""


class Nobody:
    """Takes no work over: there is none but what is claimed here."""

    def invocations(self, work: Sequence[Invocation], /) -> None:
        """Take nothing."""

    def deliveries(self, work: Sequence[Delivery], /) -> None:
        """Take nothing."""

    def full_endpoints(self) -> Sequence[str]:
        """Name none."""
        return ()


def names(spread: int) -> list[str]:
    """Name the endpoints of one third of the rows."""
    return [f"https://hooks-{spread}-{number:04}.example:443/hooks/1.0" for number in range(spread)]


def shares(spread: int) -> Iterator[dict[str, int]]:
    """Deal out the free slots of each claim: a few to each of up to a hundred endpoints, in turn."""
    every = names(spread)
    width = min(spread, CLAIM)
    for number in range(CLAIMS):
        begin = number * width % spread
        yield dict.fromkeys(every[begin : begin + width], CLAIM // width)


async def measure_claims(server: EmbeddedPostgres, pending: Sequence[int], tell: Tell) -> Report:
    """Fill a database step by step, and claim at each step. ``pending`` are numbers of rows, growing."""
    dsn = await make_database(server, "claims")
    ledger = Ledger(LedgerConfig(dsn=dsn, pool=3), Nobody())
    await ledger.start()
    costs: dict[tuple[int, int], float] = {}
    looks: dict[int, float] = {}
    try:
        there = 0
        for rows in pending:
            tell(f"claims: {rows:,} pending, filling", there / pending[-1])
            await _fill(dsn, there, rows)
            there = rows
            tell(f"claims: {rows:,} pending", rows / pending[-1])
            for spread in SPREADS:
                costs[rows, spread] = await _claims(ledger, spread)
            looks[rows] = await _looks(ledger)
    finally:
        await ledger.stop()
    return report_of("claims of due retries", figures(costs, looks))


async def _fill(dsn: str, there: int, rows: int) -> None:
    async with connection(dsn) as direct:
        await direct.execute(sql("careless"))
        await direct.execute(sql("fill_begin"))
        begin, missing = there, rows - there
        for number, spread in enumerate(SPREADS):
            part = missing * (number + 1) // len(SPREADS) - missing * number // len(SPREADS)
            await add_due(direct, names(spread), first=begin, rows=part, size=BODY, due=time(), spread=SPREAD)
            begin += part
        await direct.execute(sql("fill_end"))
        await direct.execute(sql("settle"))
        await direct.execute(sql("checkpoint"))


async def _claims(ledger: Ledger, spread: int) -> float:
    """Claim many times; what was claimed comes back at the end, due after everything else."""
    took: list[float] = []
    for free in shares(spread):
        began = perf_counter()
        found = await ledger.retries.claim(free)
        took.append(perf_counter() - began)
        if len(found) != CLAIM:
            raise RuntimeError(f"a claim of {CLAIM} over {spread} endpoints found {len(found)}")
    ledger.registry.forget_all()
    await ledger.release_all()
    return median(took) * 1e3


async def _looks(ledger: Ledger) -> float:
    """Ask which endpoints have due retries: one page of names, as before each claim."""
    took: list[float] = []
    for _ in range(CLAIMS):
        began = perf_counter()
        page = await ledger.retries.endpoints_with_work("")
        took.append(perf_counter() - began)
        if not page.names:
            raise RuntimeError("nothing is due")
    return median(took) * 1e3


def figures(costs: Mapping[tuple[int, int], float], looks: Mapping[int, float]) -> Iterator[Figure]:
    """Turn costs in milliseconds into lines; the growth from the first to the last number of rows is judged."""
    steps = sorted(looks)
    for spread in SPREADS:
        of = f"{spread:,} endpoint{'s' * (spread > 1)}"
        for rows in steps:
            yield Figure(f"claim of {CLAIM}, {of}, {rows:,} pending", costs[rows, spread], "{:.1f} ms")
        if len(steps) > 1:
            growth = costs[steps[-1], spread] / costs[steps[0], spread]
            yield Figure(f"claim, {of}: {steps[-1]:,} to {steps[0]:,} pending", growth, "x{:.2f}", most=GROWTH)
    for rows in steps:
        yield Figure(f"which endpoints have due retries (500 names), {rows:,} pending", looks[rows], "{:.1f} ms")
