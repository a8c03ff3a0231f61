"""The pages for people are held to the code: links, commands, settings, problem codes, SQL files."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
import yaml

from sidecar.cli import build_app
from sidecar.model.problems import TITLES
from sidecar.model.reasons import InvocationReason
from sidecar.settings.load import build_settings
from sidecar.telemetry.events import Event
from tests.settings_reference import PAGE, render

ROOT = Path(__file__).parents[2]
QUERIES = ROOT / "sql" / "queries"
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "SECURITY.md", "helm/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def prose(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


@each_page
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@each_page
def test_yaml_can_be_read(page: Path) -> None:
    for block in blocks(page, "yaml"):
        assert isinstance(yaml.safe_load(block), dict)


def test_whole_settings_files_can_be_served() -> None:
    marked = r"<!-- a whole settings file -->\n```yaml\n(.*?)^```"
    files = [text for page in PAGES for text in re.findall(marked, page.read_text("utf-8"), re.MULTILINE | re.DOTALL)]
    assert files
    for text in files:
        build_settings(yaml.safe_load(text))


@each_page
def test_settings_that_are_shown_can_be_served(page: Path) -> None:
    needed = {
        "database": {"dsn": "postgresql://localhost/sidecar"},
        "gateway": {"identity": {"type": "none"}},
        "callbacks": {"base_url": "http://localhost:8081", "token_secrets_file": "/secrets/tokens"},
        "routes": [{"path": "/orders", "services": [{"name": "billing", "url": "http://localhost:9000"}]}],
    }
    for block in blocks(page, "yaml"):
        shown = yaml.safe_load(block)
        sections = {name: needed[name] | part for name, part in shown.items() if name in needed and name != "routes"}
        build_settings(needed | shown | sections)


def command_lines(page: Path) -> Iterator[list[str]]:
    """Each ``sidecar ...`` that the page tells people to run, without what is only a mention of its name."""
    for block in blocks(page, "console"):
        for line in re.findall(r"^\$ (sidecar .*)$", block, flags=re.MULTILINE):
            yield shlex.split(line, comments=True)[1:]
    for span in re.findall(r"`sidecar ([a-z][^`]*)`", prose(page)):
        if span.split()[0] not in {"hot", "large", "beat", "pool", "operator"}:  # names of connections
            yield shlex.split(span)


@each_page
def test_commands_and_their_options_exist(page: Path) -> None:
    root = typer.main.get_command(build_app())
    for words in command_lines(page):
        command = root
        for word in words:
            if isinstance(command, typer.core.TyperGroup):
                assert word in command.commands, words
                command = command.commands[word]
            elif word.startswith("-") and word != "-":
                assert word in {name for parameter in command.params for name in parameter.opts}, words


@each_page
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert targets.issuperset(re.findall(r"`make ([a-z]+)`", prose(page)))


def test_the_table_of_problem_codes_is_the_closed_set() -> None:
    table = (ROOT / "docs" / "contract.md").read_text("utf-8").partition("<!-- problem codes -->")[2]
    rows = re.findall(r"^\| `(\w+)` \| \d+ \| [^|]+ \| ([^|]+) \|$", table, flags=re.MULTILINE)
    assert dict(rows) == dict(TITLES)
    assert len(rows) == len(TITLES)


def test_the_reasons_of_error_messages_exist() -> None:
    table = (ROOT / "docs" / "contract.md").read_text("utf-8").partition("| reason in an error message |")[2]
    told = set(re.findall(r"^\| `(\w+)` \|", table.partition("\n\n")[0], flags=re.MULTILINE))
    assert told
    assert told <= {str(reason) for reason in InvocationReason}


def test_every_transition_of_the_flow_is_told_and_names_an_existing_statement() -> None:
    text = (ROOT / "docs" / "state-machine.md").read_text("utf-8")
    told = set(re.findall(r"`(\w+\.sql)`", text))
    assert told <= {path.name for path in QUERIES.iterdir()}
    writing = re.compile(r"\b(?:UPDATE|INSERT INTO|DELETE FROM) (?:job|invocation|delivery|worker)\b")
    writes = {path.name for path in QUERIES.glob("*.sql") if writing.search(path.read_text("utf-8"))}
    assert writes <= told


def test_the_reference_of_settings_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == render(), "run: python -m tests.settings_reference"


def test_the_log_events_of_the_operations_page_exist() -> None:
    table = (ROOT / "docs" / "operations.md").read_text("utf-8").partition("## The log")[2].partition("## Traces")[0]
    named = {name for row in table.splitlines() if row.startswith("| `") for name in re.findall(r"`(\w+\.\w+)`", row)}
    assert len(named) >= 6
    assert named <= set(Event)
