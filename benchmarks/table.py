"""What is shown: progress while it runs, and the table at the end."""

from collections.abc import Sequence
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.rows import ONCE, Row
from benchmarks.summary import Result

_VERDICTS = {None: "", True: "holds", False: "MISSED"}


def show(console: Console, result: Result, table: Sequence[Row]) -> None:
    """Print the machine and the table."""
    for name, text in result.machine.items():
        console.print(f"{name + ':':<10} {text}", highlight=False)
    console.print(_render(table))


def _render(table: Sequence[Row]) -> Table:
    loads = sorted({clients for row in table for clients in row.values})
    shown = Table(title="medians of the rounds", title_justify="left")
    shown.add_column("measured", no_wrap=True)
    for clients in loads:
        title = "" if clients == ONCE else f"{clients} client{'s' * (clients > 1)}"
        shown.add_column(title, justify="right")
    shown.add_column("target")
    shown.add_column("")
    for row in table:
        style = "bold red" if row.holds is False else None
        cells = [row.values.get(clients, "") for clients in loads]
        shown.add_row(row.name, *cells, row.target, _VERDICTS[row.holds], style=style)
    return shown


class Progressing:
    """A bar for the step under way, on a terminal; a line for each step elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            BarColumn(20), TextColumn("{task.description}"), TimeElapsedColumn(), console=console, transient=True
        )
        self._task = self._progress.add_task("starting", total=1.0)
        self._told = ""

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def tell(self, name: str, part: float) -> None:
        """Show what is being done, and how far it is, from 0 to 1."""
        if self._console.is_terminal:
            self._progress.update(self._task, description=name, completed=part)
        elif name != self._told:
            self._told = name
            self._console.print(name, highlight=False)
