"""``sidecar config`` and ``sidecar route test``, as people run them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SETTINGS = """
gateway: {identity: {type: none}}
callbacks: {base_url: "http://sidecar:8081", token_secrets_file: /secrets/callback-tokens}
database: {dsn: "postgresql://sidecar:hush@db/sidecar"}
retry: {cap: 30m}
routes:
  - path: /orders/{order_id}
    accepts: [application/json]
    services:
      - {name: billing, url: "http://billing:9000/r/{order_id}", sandbox_url: "http://sb:9000/r/{order_id}"}
      - {name: stock, url: "http://stock:9000/s", completion: response, timeout: 10m, sandbox_url: "http://sb/s"}
  - path: /other
    services: [{name: billing, url: "http://billing:9000/o"}]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sidecar.yaml"
    path.write_text(SETTINGS)
    return path


def sidecar(*arguments: str, directory: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sidecar", *arguments]
    environ = {"PATH": "/usr/bin:/bin", "COLUMNS": "200"}
    return subprocess.run(command, cwd=directory, env=environ, capture_output=True, text=True, check=False, timeout=60)


def test_check_tells_what_was_understood_and_no_secret(file: Path) -> None:
    done = sidecar("config", "check", directory=file.parent)
    assert done.returncode == 0, done.stderr
    assert "gateway    0.0.0.0:8080, plain HTTP, identity none" in done.stdout
    assert "POST /orders/{order_id}  (gather each, deadline 1h, takes application/json)" in done.stdout
    assert "  retry:" not in done.stdout
    assert "hush" not in done.stdout + done.stderr


def test_check_exits_2_and_names_each_problem(file: Path) -> None:
    file.write_text(SETTINGS.replace("retry: {cap: 30m}", "retry: {cap: x}\nworkers: {}"))
    done = sidecar("config", "check", "--config", str(file), directory=file.parent)
    assert done.returncode == 2
    assert "  retry.cap: 'x' is not a duration" in done.stderr
    assert "  workers: is not a setting; did you mean worker?" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_exits_2_for_what_cannot_be_left_unserved(file: Path) -> None:
    file.write_text(SETTINGS + "offload: {sse: {type: kms}}\n")
    done = sidecar("config", "check", directory=file.parent)
    assert done.returncode == 2
    assert "offload.sse: without offload.bucket" in done.stdout


def test_check_names_secrets_that_stand_in_the_file_and_does_not_tell_them(file: Path) -> None:
    inline = SETTINGS.replace(
        "token_secrets_file: /secrets/callback-tokens", "token_secrets: [hush-hush-hush-hush-hush]"
    )
    file.write_text(inline)
    done = sidecar("config", "check", directory=file.parent)
    assert done.returncode == 0, done.stderr
    heading, first, second = done.stdout.splitlines()[-3:]
    assert heading == "Secrets that stand in the file, for all who may read it"
    assert first.startswith(
        "  callbacks.token_secrets: put it into a file of its own and name that by token_secrets_file"
    )
    assert second == "  database.dsn: leave the password out of it, and name its file by password_file"
    assert "hush" not in done.stdout + done.stderr


def test_schema_is_json(tmp_path: Path) -> None:
    done = sidecar("config", "schema", directory=tmp_path)
    assert json.loads(done.stdout)["title"] == "Settings of the mediation sidecar"


def test_route_test_tells_the_route_and_its_urls(file: Path) -> None:
    done = sidecar(
        "route", "test", "POST", "/orders/42?a=1", "-H", "Content-Type: application/json", directory=file.parent
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "/orders/{order_id}  (gather each, deadline 1h)",
        "  billing  http://billing:9000/r/42?a=1",
        "    completion callback, acknowledgement within 10s, retry short, repeat allowed",
        "  stock  http://stock:9000/s?a=1",
        "    completion response, response within 10m, retry short, repeat allowed",
    ]


@pytest.mark.parametrize("sandbox", [("--sandbox",), ("-H", "x-api-key-type: sandbox")])
def test_route_test_takes_sandbox_keys(file: Path, sandbox: tuple[str, ...]) -> None:
    done = sidecar("route", "test", "POST", "/orders/42", *sandbox, directory=file.parent)
    assert "  billing  http://sb:9000/r/42" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("POST", "/order/42"), ["404 route_unknown", "The nearest route is POST /orders/{order_id}"]),
        (("POST", "/~"), ["404 route_unknown", "The routes are /orders/{order_id}, /other"]),
        (("GET", "/orders/42"), ["405 method_not_allowed", "This path takes POST"]),
        (("POST", "/orders/.."), ["400 path_invalid", "dot segment"]),
        (("POST", "/other", "--sandbox"), ["403 sandbox_unavailable"]),
        (("POST", "/orders/42", "-H", "content-type: text/plain"), ["415 media_type_unsupported", "application/json"]),
    ],
)
def test_route_test_tells_why_there_is_no_route(file: Path, arguments: tuple[str, ...], told: list[str]) -> None:
    done = sidecar("route", "test", *arguments, directory=file.parent)
    assert done.returncode == 1, done.stderr
    assert [text for text in told if text not in done.stdout] == []


def test_a_header_that_is_none_is_told(file: Path) -> None:
    done = sidecar("route", "test", "POST", "/other", "-H", "content-type", directory=file.parent)
    assert done.returncode == 2
    assert "write it as 'name: value'" in done.stderr


def test_the_version_is_told(tmp_path: Path) -> None:
    done = sidecar("--version", directory=tmp_path)
    assert done.stdout.startswith("sidecar 0.")


def test_checking_settings_loads_neither_the_database_nor_the_web(file: Path) -> None:
    program = (
        "import sys; from sidecar.cli import build_app\n"
        "build_app(['config'])(['config', 'check'], standalone_mode=False)\n"
        "print([name for name in ('asyncpg', 'aiohttp', 'uvloop') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=file.parent, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "[]"
