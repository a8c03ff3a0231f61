"""The settings file, the environment above it, and what is said when they are wrong."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar.model.egress import Ports
from sidecar.model.errors import ConfigError
from sidecar.settings.addresses import HostPort
from sidecar.settings.load import build_settings, load_settings
from sidecar.settings.root import Settings
from sidecar.settings.secrets import read_secrets
from tests.unit.settings.builders import MINIMAL, make_data, make_route, make_service, make_settings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sidecar.yaml"
    path.write_text(yaml.safe_dump(MINIMAL))
    return path


def lines_of(data: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        build_settings(data)
    return str(caught.value).splitlines()


def line_of(**over: Any) -> str:
    (line,) = lines_of(make_data(**over))
    return line


def test_a_minimal_file_is_enough(file: Path) -> None:
    settings = load_settings(file, {})
    assert settings.gateway.listen == HostPort("0.0.0.0", 8080)
    assert settings.gateway.wait == 2.0
    assert settings.routes[0].deadline == 3600.0
    assert settings.offload is None


def test_a_file_is_found_in_the_working_directory(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    assert load_settings(None, {}).routes[0].path == "/orders"


def test_the_environment_alone_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    environ = {
        "SIDECAR_GATEWAY__IDENTITY__TYPE": "shared_secret",
        "SIDECAR_GATEWAY__IDENTITY__SECRET": "gateway-key",
        "SIDECAR_CALLBACKS__BASE_URL": "http://sidecar:8081/",
        "SIDECAR_CALLBACKS__TOKEN_SECRETS": "newest\nolder\n",
        "SIDECAR_DATABASE__DSN": "postgres://db/sidecar",
        "SIDECAR_ROUTES": '[{"path": "/a", "services": [{"name": "b", "url": "http://c"}]}]',
    }
    settings = load_settings(None, environ)
    assert settings.callbacks.base_url == "http://sidecar:8081"
    secrets = read_secrets(settings.callbacks.token_secrets, settings.callbacks.token_secrets_file)
    assert [secret.get_secret_value() for secret in secrets] == ["newest", "older"]
    assert settings.routes[0].services[0].name == "b"


def test_the_environment_overrides_single_keys_of_the_file(file: Path) -> None:
    environ = {
        "SIDECAR_DATABASE__POOL": "7",
        "SIDECAR_WORKER__DEAD_AFTER": "1m",
        "sidecar_gateway__headers__count": "64",
        "SIDECAR_GATEWAY__CORRELATION": "X-One, x-two",
        "SIDECAR_WEBHOOK__PORTS": "443, 8000-8999",
        "SIDECAR_RETRY__WSO2_FAULTS": "false",
    }
    settings = load_settings(file, environ)
    assert settings.database.pool == 7
    assert settings.worker.dead_after == 60.0
    assert settings.gateway.headers.count == 64
    assert settings.gateway.headers.total == 64 * 1024
    assert settings.gateway.correlation == ("x-one", "x-two")
    assert settings.webhook.ports == (Ports(443, 443), Ports(8000, 8999))
    assert settings.retry.wso2_faults is False
    assert settings.database.dsn.get_secret_value() == "postgresql://sidecar@db/sidecar"


def test_the_environment_of_the_process_counts_when_none_is_given(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIDECAR_DATABASE__POOL", "9")
    assert load_settings(file).database.pool == 9


def test_names_that_kubernetes_sets_are_left_alone(file: Path) -> None:
    environ = {"SIDECAR_SERVICE_HOST": "10.0.0.1", "SIDECAR_PORT_8080_TCP_ADDR": "10.0.0.1", "SIDECAR_CONFIG": "x"}
    assert load_settings(file, environ) == load_settings(file, {})


def test_an_unknown_section_or_key_in_the_environment_is_an_error(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"^SIDECAR_DATABSE__DSN: is no section; the sections are gateway, callbacks"):
        load_settings(file, {"SIDECAR_DATABSE__DSN": "secret"})
    with pytest.raises(ConfigError, match=r"^database\.pol: is not a setting; did you mean pool\?$"):
        load_settings(file, {"SIDECAR_DATABASE__POL": "3"})


def test_json_in_the_environment_that_cannot_be_read_is_an_error_without_its_text(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"^environment: .*write JSON") as caught:
        load_settings(file, {"SIDECAR_ROUTES": "[{hush"})
    assert "hush" not in str(caught.value)


def test_an_empty_section_means_its_defaults() -> None:
    assert build_settings({**make_data(), "worker": None}) == make_settings()


def test_everything_that_is_needed_is_named_at_once() -> None:
    assert [line.partition(": is missing; ")[0] for line in lines_of({})] == [
        "gateway.identity",
        "callbacks.base_url",
        "database.dsn",
        "routes",
    ]


def test_a_missing_setting_is_told_with_the_way_to_set_it() -> None:
    data = make_data()
    del data["database"]["dsn"]
    assert lines_of(data) == ["database.dsn: is missing; set it in the file or as SIDECAR_DATABASE__DSN"]


def test_a_missing_secret_is_told_with_both_ways_to_give_it() -> None:
    data = make_data()
    del data["callbacks"]["token_secrets_file"]
    assert lines_of(data) == ["callbacks: needs token_secrets_file; or give token_secrets by the environment"]
    assert line_of(gateway__identity={"type": "shared_secret"}).startswith("gateway.identity: needs secret_file;")


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("gateway__max_boddy", "gateway.max_boddy: is not a setting; did you mean max_body?"),
        ("gatway", "gatway: is not a setting; did you mean gateway?"),
        ("gateway__timeouts__header", "gateway.timeouts.header: is not a setting; did you mean headers?"),
        (
            "worker__statement_timeout",
            "worker.statement_timeout: is not a setting; did you mean database.statement_timeout?",
        ),
        ("worker__xyz", "worker.xyz: is not a setting; the settings here are dead_after, drain_timeout"),
        ("gateway__identity__heder", "gateway.identity.heder: is not a setting; the settings here are type"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_right_one(name: str, suggestion: str) -> None:
    assert line_of(**{name: 1}) == suggestion


def test_an_unknown_key_of_one_kind_is_compared_with_the_keys_of_that_kind() -> None:
    identity = {"type": "shared_secret", "heder": "x", "secret_file": "/s"}
    assert line_of(gateway__identity=identity) == "gateway.identity.heder: is not a setting; did you mean header?"


def test_bodies_are_limited_by_what_the_database_takes() -> None:
    settings = make_settings(database__max_body="1MiB", gateway__max_body="2KiB")
    assert (settings.max_request_body, settings.max_callback_body) == (2048, 1024**2)


def test_all_problems_are_told_at_once() -> None:
    data = make_data(gateway__wait="x", database__pol=1, routes=[make_route(services=[make_service(url="x")])])
    assert [line.partition(": ")[0] for line in lines_of(data)] == [
        "gateway.wait",
        "database.pol",
        "routes[0].services[0].url",
    ]


def test_contradictions_and_route_conflicts_are_told_together() -> None:
    data = make_data(gateway__wait="6s", routes=[make_route(), make_route()])
    assert [line.partition(": ")[0] for line in lines_of(data)] == ["gateway.wait", "routes[1].path"]


def test_no_error_and_no_rendering_shows_a_secret() -> None:
    data = make_data(
        database__dsn="postgresql://u:hush@db/x",
        database__password="hush",
        gateway__identity={"type": "shared_secret", "secret": "hush"},
        callbacks__token_secrets=["hush"],
    )
    settings = build_settings(data)
    assert "hush" not in repr(settings) + str(settings) + settings.model_dump_json()
    data["database"]["dsn"] = "http://u:hush@db/x"
    data["gateway"]["identity"]["secret"] = {"hush": "hush"}
    data["callbacks"]["token_secrets"] = [["hush"]]
    assert "hush" not in "\n".join(lines_of(data))


def test_the_cause_of_an_error_holds_no_secret_either() -> None:
    with pytest.raises(ConfigError) as caught:
        build_settings(make_data(database__dsn="hush"))
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        make_settings().gateway.wait = 3.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "line 1, column 5: is not YAML"),
        ("worker: {}\nworker: {}\n", "line 2, column 1: is not YAML; worker is there twice"),
        ("worker:\n  pool: 1\n  pool: 2\n", "line 3, column 3: is not YAML; pool is there twice"),
        ("- a\n", "must hold sections with keys"),
        ("1: 2\n", "must hold sections with keys"),
        ("a: !!python/object:os.system {}\n", "is not YAML"),
    ],
)
def test_a_file_that_is_no_settings_file_is_told_by_its_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_settings(path, {})
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(tmp_path / "none.yaml", {})
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_settings(binary, {})


def test_settings_are_made_without_looking_at_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIDECAR_DATABASE__POOL", "9")
    assert Settings(**make_data()).database.pool == 10
