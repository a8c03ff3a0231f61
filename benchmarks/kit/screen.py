"""What is shown: progress while it runs, and the tables at the end."""

from collections.abc import Mapping
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.kit.report import Report

_VERDICTS = {None: "", True: "holds", False: "MISSED"}


def show_machine(console: Console, machine: Mapping[str, str]) -> None:
    """Print on what it was measured."""
    for name, text in machine.items():
        console.print(f"{name + ':':<10} {text}", highlight=False)


def show(console: Console, report: Report) -> None:
    """Print the table of one section."""
    table = Table(title=report.title, title_justify="left")
    table.add_column("measured", no_wrap=True)
    for title in report.columns:
        table.add_column(title, justify="right")
    table.add_column("target")
    table.add_column("")
    for row in report.rows:
        style = "bold red" if row.holds is False else None
        cells = [row.values.get(column, "") for column in report.columns]
        table.add_row(row.name, *cells, row.target, _VERDICTS[row.holds], style=style)
    console.print(table)


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
