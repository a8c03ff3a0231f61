"""The console as a client without a browser sees it: forms from elsewhere, sessions, and what goes wrong."""

import re

import pytest
import requests

from tests.integration.ledger.kit import ENDPOINT
from tests.integration.operate.desk import TOKENS, Desk
from tests.integration.operate.test_api import waiting


def sign_in(desk: Desk, **headers: str) -> requests.Session:
    session = requests.Session()
    answer = session.post(
        f"{desk.url}/console/login",
        data={"token": TOKENS["oncall"]},
        headers=headers,
        allow_redirects=False,
        timeout=60,
    )
    assert answer.status_code == 303, answer.text
    return session


def csrf_of(session: requests.Session, desk: Desk) -> str:
    page = session.get(f"{desk.url}/console", timeout=60).text
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def test_forms_from_elsewhere_change_nothing(desk: Desk) -> None:
    job = waiting(desk)
    session = sign_in(desk)
    form = {"action": "cancel", "job": job, "csrf": csrf_of(session, desk)}
    url = f"{desk.url}/console/retries/apply"
    for over, headers in (
        ({"csrf": ""}, {}),
        ({"csrf": "wrong"}, {}),
        ({"csrf": csrf_of(sign_in(desk), desk)}, {}),  # of another session
        ({}, {"Origin": "https://evil.example"}),
    ):
        answer = session.post(url, data={**form, **over}, headers=headers, allow_redirects=False, timeout=60)
        assert answer.status_code == 403
    assert session.get(url, timeout=60).status_code == 404
    answer = requests.post(url, data=form, allow_redirects=False, timeout=60)
    assert answer.headers["location"].startswith("/console/login")
    answer = requests.post(
        f"{desk.url}/console/login",
        data={"token": TOKENS["oncall"]},
        headers={"Origin": "https://evil.example"},
        allow_redirects=False,
        timeout=60,
    )
    assert answer.status_code == 403
    assert session.post(url, data=form, allow_redirects=False, timeout=60).status_code == 303


def test_pages_allow_nothing_that_is_not_ours_and_escape_what_strangers_say(desk: Desk) -> None:
    session = sign_in(desk, **{"X-Forwarded-Proto": "https"})
    assert session.cookies._cookies["127.0.0.1"]["/console"]["sidecar_console"].secure  # type: ignore[attr-defined]
    session = sign_in(desk)
    waiting(desk, correlation_id="<script>alert(1)</script>")
    page = session.get(f"{desk.url}/console/jobs", timeout=60)
    assert "&lt;script&gt;alert(1)" in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]*src=)|\sstyle=|\son[a-z]+=", page.text)
    assert "token-0123456789" not in page.text


@pytest.mark.parametrize(
    "path", ["https://evil.example", "//evil.example", "/console/../x\\y", "/other", "/console//e"]
)
def test_signing_in_leads_to_our_own_pages_only(desk: Desk, path: str) -> None:
    form = {"token": TOKENS["desk"], "next": path}
    answer = requests.post(f"{desk.url}/console/login", data=form, allow_redirects=False, timeout=60)
    assert (answer.status_code, answer.headers["location"]) == (303, "/console")


def test_what_goes_wrong_is_a_page(desk: Desk) -> None:
    session = sign_in(desk)
    for path, status, words in (
        ("/nonsense", 404, "There is no such page"),
        ("/jobs/nonsense", 404, "No such job"),
        ("/jobs?cursor=nonsense", 400, "none that a page gave"),
        (f"/jobs?route={'x' * 600}", 400, "route: is too long"),
        ("/retries?since=soon&state=odd", 200, "Nothing matches"),
        ("/static/../handler.py", 404, ""),
        ("/static/nothing.css", 404, ""),
    ):
        answer = session.get(f"{desk.url}/console{path}", timeout=60)
        assert answer.status_code == status, path
        assert words in answer.text
    csrf = csrf_of(session, desk)
    for path, form in (
        ("/retries/confirm", {"action": "redrive"}),
        ("/retries/confirm", {"action": "burn", "endpoint": ENDPOINT}),
        ("/retries/apply", {"action": "cancel", "job": "nonsense"}),
        ("/endpoints/pause", {"endpoint": ENDPOINT, "reason": " "}),
    ):
        answer = session.post(f"{desk.url}/console{path}", data={"csrf": csrf, **form}, timeout=60)
        assert answer.status_code == 400, path
    assert session.put(f"{desk.url}/console", timeout=60).status_code == 405
