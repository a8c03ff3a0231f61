import orjson
import pytest

from sidecar.model.errors import ProblemError
from sidecar.model.outcome import ResultStatus
from sidecar.model.problems import TITLES, Problem
from tests.unit.builders import make_result


def test_the_digest_tells_status_and_body_apart_and_nothing_else() -> None:
    one = make_result(body=b"abc")
    assert one.digest() == make_result(body=b"abc", headers=b"content-type: text/plain", service="stock").digest()
    assert one.digest() != make_result(body=b"abd").digest()
    assert one.digest() != make_result(body=b"abc", status=ResultStatus.FAILED).digest()


@pytest.mark.parametrize("code", TITLES)
def test_every_code_renders_as_a_problem_document(code: str) -> None:
    problem = Problem(400, code, "Why.", extra={"services": []})
    assert orjson.loads(problem.body("c-1")) == {
        "type": f"urn:wso2-mediation-sidecar:problem:{code}",
        "title": TITLES[code],
        "status": 400,
        "detail": "Why.",
        "code": code,
        "correlation_id": "c-1",
        "services": [],
    }


def test_an_unknown_correlation_id_is_null_and_the_error_says_its_code_only() -> None:
    problem = Problem(404, "job_unknown", "Why.")
    assert orjson.loads(problem.body(None))["correlation_id"] is None
    assert str(ProblemError(problem)) == "job_unknown"
