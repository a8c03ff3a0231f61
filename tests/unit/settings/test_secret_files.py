"""Secrets in files and in the environment."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from sidecar.model.errors import ConfigError
from sidecar.settings.secrets import read_secret, read_secrets


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "secret"


@pytest.mark.parametrize("text", ["hush", "hush\n", "hush\r\n"])
def test_a_secret_is_the_content_of_its_file_without_the_line_end(file: Path, text: str) -> None:
    file.write_bytes(text.encode())
    assert read_secret(None, file).get_secret_value() == "hush"


def test_spaces_belong_to_a_secret(file: Path) -> None:
    file.write_text(" hush \n")
    assert read_secret(None, file).get_secret_value() == " hush "


def test_a_secret_that_is_given_wins_over_its_file(file: Path) -> None:
    assert read_secret(SecretStr("given"), file).get_secret_value() == "given"
    assert [secret.get_secret_value() for secret in read_secrets((SecretStr("given"),), file)] == ["given"]


def test_a_file_is_read_when_the_secret_is_needed_so_that_it_may_change(file: Path) -> None:
    for text in ("one", "two"):
        file.write_text(text)
        assert read_secret(None, file).get_secret_value() == text


def test_several_secrets_are_lines_newest_first_and_empty_lines_do_not_count(file: Path) -> None:
    file.write_text("newest\n\n  older  \n")
    assert [secret.get_secret_value() for secret in read_secrets(None, file)] == ["newest", "older"]


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff"])
def test_an_unusable_file_is_an_error_that_names_it(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    for read in (read_secret, read_secrets):
        with pytest.raises(ConfigError, match=str(file)):
            read(None, file)


def test_a_file_that_is_not_there_is_an_error_that_names_it(file: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read; No such file"):
        read_secret(None, file)


def test_a_secret_that_is_nowhere_is_an_error() -> None:
    for read in (read_secret, read_secrets):
        with pytest.raises(ConfigError, match="neither it nor its file is set"):
            read(None, None)
