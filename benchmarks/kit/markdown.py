"""The tables of a run as Markdown, for the documentation."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.kit.report import Report
from benchmarks.kit.rows import Row

_VERDICTS = {None: "", True: "holds", False: "**missed**"}


def write_markdown(path: Path, machine: Mapping[str, str], reports: Sequence[Report]) -> None:
    """Write the machine and every table."""
    lines = [f"- {name}: {text}" for name, text in machine.items()]
    for report in reports:
        lines += ["", f"### {report.title[0].upper()}{report.title[1:]}", "", *_table(report)]
    path.write_text("\n".join(lines) + "\n")


def _table(report: Report) -> Iterator[str]:
    judged = any(row.target for row in report.rows)
    yield _line("", *report.columns, *(("target", "") if judged else ()))
    yield _line(*["---"] * (1 + len(report.columns) + 2 * judged))
    for row in report.rows:
        yield _line(row.name, *(_cell(row, column) for column in report.columns), *(_verdict(row) if judged else ()))


def _cell(row: Row, column: str) -> str:
    text = row.values.get(column, "")
    return f"**{text}**" if row.missed and column in row.missed else text


def _verdict(row: Row) -> tuple[str, str]:
    return row.target, _VERDICTS[row.holds]


def _line(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("\n", ", ").replace("|", "\\|") for cell in cells) + " |"
