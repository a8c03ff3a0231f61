"""Which content types a route takes."""

import pytest

from sidecar.model.errors import ProblemError
from sidecar.settings.media_types import match_media_type
from sidecar.settings.route_table import check_media_type


@pytest.mark.parametrize(
    ("accepts", "content_type", "taken"),
    [
        ((), "anything/at-all", True),
        ((), None, True),
        (("application/json",), "application/json", True),
        (("application/json",), "Application/JSON; charset=utf-8", True),
        (("application/json",), "application/jsonx", False),
        (("application/json",), None, False),
        (("application/octet-stream",), None, True),
        (("application/octet-stream",), "", True),
        (("text/*",), "text/plain", True),
        (("text/*",), "texts/plain", False),
        (("*/*",), "x/y", True),
        (("a/b", "image/*"), "image/svg+xml", True),
    ],
)
def test_a_content_type_is_taken_when_a_range_covers_it(
    accepts: tuple[str, ...], content_type: str | None, *, taken: bool
) -> None:
    assert match_media_type(accepts, content_type) is taken


def test_a_refusal_is_415_and_names_what_is_taken_but_not_what_was_sent() -> None:
    with pytest.raises(ProblemError) as caught:
        check_media_type(("application/json", "text/*"), "image/png")
    problem = caught.value.problem
    assert (problem.status, problem.code) == (415, "media_type_unsupported")
    assert problem.headers == {"accept": "application/json, text/*"}
    assert "image" not in problem.detail
