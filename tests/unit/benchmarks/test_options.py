"""The benchmark's command line."""

import pytest

from benchmarks.options import read_options

SECTIONS = ("flow", "soak")


def test_all_that_is_usual_is_measured_when_nothing_is_named() -> None:
    options = read_options(["--rounds", "4"], SECTIONS, ("flow",))
    assert (options.sections, options.rounds) == ([], 4)


def test_sections_are_measured_as_they_are_named() -> None:
    assert read_options(["soak", "flow", "--minutes", "1"], SECTIONS, ("flow",)).sections == ["soak", "flow"]


def test_what_is_no_section_is_told_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read_options(["flaw"], SECTIONS, ("flow",))
    assert "flaw is none of flow, soak" in capsys.readouterr().err
