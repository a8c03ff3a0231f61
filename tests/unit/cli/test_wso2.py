"""The command ``sidecar wso2``."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from sidecar.cli import build_app
from sidecar.model.errors import ConfigError
from sidecar.wso2.targets import TARGETS

ROUTES = Path(__file__).parents[3] / "wso2-config" / "routes.yaml"


def render(out: Path, *more: str, target: str = "policy", config: Path = ROUTES) -> tuple[int, str]:
    given = ["wso2", "render", "--target", target, "--config", str(config), "--out", str(out)]
    urls = ["--sidecar-url", "http://sidecar:8080", "--backend-url", "http://backend:9000/orders"]
    result = CliRunner().invoke(build_app(["wso2"]), [*given, *urls, *more])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def written(out: Path) -> set[str]:
    return {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}


def test_targets_are_listed_with_what_they_are_for() -> None:
    result = CliRunner().invoke(build_app(["wso2"]), ["wso2", "targets"])
    assert [line.split()[0] for line in result.output.splitlines()] == list(TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_each_target_is_written_for_the_demo_routes_with_nothing_but_two_urls(tmp_path: Path, target: str) -> None:
    code, printed = render(tmp_path, target=target)
    assert code == 0
    assert {str(Path(line).relative_to(tmp_path)) for line in printed.split()} == written(tmp_path)
    assert written(tmp_path)


def test_all_targets_are_written_each_to_its_folder(tmp_path: Path) -> None:
    assert render(tmp_path, target="all")[0] == 0
    assert {path.partition("/")[0] for path in written(tmp_path)} == set(TARGETS)


def test_files_that_differ_are_kept_unless_forced(tmp_path: Path) -> None:
    assert render(tmp_path)[0] == 0
    assert render(tmp_path)[0] == 0
    with pytest.raises(ConfigError, match=r"asyncCallbackRouter\.j2 would be changed"):
        render(tmp_path, "--backend-jwt")
    assert render(tmp_path, "--backend-jwt", "--force")[0] == 0


def test_nothing_is_written_when_an_option_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--api-name"):
        render(tmp_path, "--api-name", "a&b", target="all")
    assert not written(tmp_path)


def test_a_target_that_does_not_exist_names_those_that_do(tmp_path: Path) -> None:
    code, printed = render(tmp_path, target="nginx")
    assert code == 2
    assert "sequence-backend" in printed


def test_routes_are_read_without_the_rest_of_the_settings_and_their_faults_are_named(tmp_path: Path) -> None:
    bad = tmp_path / "routes.yaml"
    bad.write_text("routes:\n  - {path: /a/b, services: [{name: x, url: nonsense}]}\n")
    with pytest.raises(ConfigError, match=r"routes\[0\]\.services\[0\]\.url"):
        render(tmp_path / "out", config=bad)
    bad.write_text("gateway: {}\n")
    with pytest.raises(ConfigError, match="routes"):
        render(tmp_path / "out", config=bad)


def test_routes_without_a_beginning_in_common_need_names(tmp_path: Path) -> None:
    mixed = tmp_path / "routes.yaml"
    service = "services: [{name: x, url: http://x/y}]"
    mixed.write_text(f"routes:\n  - {{path: /a/b, {service}}}\n  - {{path: /c/d, {service}}}\n")
    with pytest.raises(ConfigError, match="no beginning in common"):
        render(tmp_path / "out", config=mixed)
    assert render(tmp_path / "out", "--context", "/x", "--api-name", "X", config=mixed)[0] == 0
    assert render(tmp_path / "one", "--base-path", "/c", config=mixed)[0] == 0
