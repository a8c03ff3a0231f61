"""``sidecar secrets generate``: what it makes is what the settings take, and nobody else can read its files."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sidecar.cli import build_app
from sidecar.cli.secrets import Kind
from sidecar.model.sealing import parse_key
from sidecar.model.webhook_signature import PrivateKey, Secret

TAKEN_BY: dict[Kind, Callable[[str], object]] = {
    Kind.WEBHOOK_SECRET: Secret,
    Kind.WEBHOOK_KEY: PrivateKey,
    Kind.CALLBACK_TOKENS: lambda text: len(text) >= 43,
    Kind.GATEWAY_KEY: lambda text: len(text) >= 43,
    Kind.ADMIN_TOKEN: lambda text: len(text) >= 43,
    Kind.SEALING_KEY: parse_key,
}


def run(*words: str, exit_code: int = 0) -> tuple[str, str]:
    """What it printed, and what it told beside it."""
    result = CliRunner().invoke(build_app(["secrets"]), ["secrets", "generate", *words])
    assert result.exit_code == exit_code, result.output
    return result.stdout, result.stderr


@pytest.mark.parametrize("kind", list(Kind))
def test_the_secret_alone_is_printed_and_where_it_goes_is_told_beside_it(kind: Kind) -> None:
    printed, told = run(kind)
    (secret,) = printed.splitlines()
    assert TAKEN_BY[kind](secret)
    assert secret != run(kind)[0].strip()
    assert told.startswith("for ")
    assert secret not in told


def test_the_public_key_is_told_beside_the_private_one() -> None:
    printed, told = run("webhook-key")
    assert told.splitlines()[-1] == PrivateKey(printed.strip()).public


@pytest.mark.parametrize("kind", list(Kind))
def test_a_file_can_be_read_by_its_owner_only_and_is_never_overwritten(kind: Kind, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    printed, _ = run(kind, "--out", str(file))
    assert (printed, file.stat().st_mode & 0o777) == ("", 0o600)
    content = file.read_text()
    assert TAKEN_BY[kind](content.removesuffix("\n"))
    _, told = run(kind, "--out", str(file), exit_code=2)
    assert "exists" in told
    assert file.read_text() == content


@pytest.mark.parametrize("kind", [Kind.WEBHOOK_SECRET, Kind.WEBHOOK_KEY, Kind.CALLBACK_TOKENS])
def test_a_rotated_file_has_the_newest_on_top_and_the_older_ones_below(kind: Kind, tmp_path: Path) -> None:
    file = tmp_path / "secrets"
    run(kind, "--out", str(file))
    (old,) = file.read_text().split()
    run(kind, "--out", str(file), "--rotate")
    new, still = file.read_text().split()
    assert (still, new != old, file.stat().st_mode & 0o777) == (old, True, 0o600)
    assert [path.name for path in tmp_path.iterdir()] == ["secrets"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("webhook-secret", "--rotate"), "name it with --out"),
        (("gateway-key", "--rotate", "--out", "x"), "has one value"),
        (("sealing-key", "--rotate", "--out", "x"), "its order matters otherwise"),
        (("webhook-secret", "--rotate", "--out", "/nowhere/at/all"), "cannot be written"),
        (("webhook-secret", "--out", "/nowhere/at/all"), "cannot be written"),
        (("something",), "is not one of"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(words: tuple[str, ...], why: str) -> None:
    _, told = run(*words, exit_code=2)
    assert why in " ".join(told.replace("│", " ").split())


def test_every_kind_is_in_the_help() -> None:
    result = CliRunner().invoke(build_app(["secrets"]), ["secrets", "generate", "--help"], env={"COLUMNS": "200"})
    assert all(kind in result.output for kind in Kind)
