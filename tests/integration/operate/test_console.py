"""The console in a real browser: with scripts and without, light, dark and narrow."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect

from tests.conftest import execute, run
from tests.integration.ledger.kit import ENDPOINT, make_end, make_job, stored
from tests.integration.ledger.retrying import claimed, delivering, make_retry_end, retrying
from tests.integration.operate.browser import open_browser, shoot
from tests.integration.operate.desk import TOKENS, Desk
from tests.integration.operate.test_api import failed, waiting

SIZES = {"wide": ViewportSize(width=1280, height=900), "narrow": ViewportSize(width=360, height=740)}
PULSE = """
    INSERT INTO pulse SELECT date_trunc('minute', now()) - n * interval '1 minute', 1,
        (14 + 9 * sin(n / 6.0) + n % 4)::int, (13 + 9 * sin((n + 1) / 6.0) + n % 3)::int,
        CASE WHEN n BETWEEN 8 AND 30 THEN 3 + n % 5 ELSE 0 END, CASE WHEN n BETWEEN 12 AND 16 THEN 1 ELSE 0 END,
        n % 4, CASE WHEN n < 32 THEN 40 + (32 - n) * 6 - CASE WHEN n < 8 THEN (8 - n) * 22 ELSE 0 END ELSE 3 END
    FROM generate_series(0, 58) n
"""

TOO_WIDE = """() => document.documentElement.scrollWidth <= document.documentElement.clientWidth ? [] :
  [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth)
    .map(e => e.outerHTML.slice(0, 120))"""

Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@pytest.fixture
def visit(chromium: Browser, desk: Desk) -> Iterator[Visit]:
    """Open pages as somebody who is signed in; what a page reports as an error fails the test."""
    contexts: list[BrowserContext] = []
    troubles: list[str] = []

    def open_page(name: str | None = "oncall", *, size: str = "wide", **over: Any) -> Page:
        context = chromium.new_context(base_url=desk.url, viewport=SIZES[size], **over)
        context.set_default_timeout(60_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        if name is not None:
            page.goto("/console")
            page.get_by_label("Token").fill(TOKENS[name])
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url("**/console")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [text for text in troubles if "status of 4" not in text] == []


async def lively(desk: Desk) -> str:
    """A ledger in which something of everything happens; a job with a long story."""
    here = desk.here
    for number in range(4):
        job, messages = await delivering(here, "billing", "stock", correlation_id=f"order-{700 + number}")
        for message in messages:
            await here.ledger.finish(make_end(message))
    await stored(here.ledger, make_job(here.ledger, "billing", "risk", correlation_id="order-720"))
    await retrying(here, correlation_id="order-730", endpoint="https://hooks.partner.example:443", route="/invoices")
    await here.ledger.endpoints.open("https://hooks.partner.example:443", seconds=80, reason="connect")
    job = await retrying(here, correlation_id="order-741", callback_url="https://hooks.example/crm/1.0/r?token=hush")
    for _ in range(2):
        (retry,) = await claimed(here)
        await here.ledger.finish_retry(make_retry_end(retry, delay=0.0))
    (retry,) = await claimed(here)
    await here.ledger.finish_retry(make_retry_end(retry, delay=1700.0))
    return str(job.job_id)


@pytest.mark.parametrize(
    ("look", "size", "scheme"), [("light", "wide", "light"), ("dark", "wide", "dark"), ("narrow", "narrow", "light")]
)
def test_every_page_can_be_seen_in_light_in_dark_and_on_a_narrow_screen(
    desk: Desk, visit: Visit, database: str, *, look: str, size: str, scheme: str
) -> None:
    run(execute(database, PULSE))
    job = desk.run(lively(desk))
    failed(desk, correlation_id="order-750")
    page = visit(None, size=size, color_scheme=scheme, reduced_motion="reduce")
    page.goto("/console")
    shoot(page, f"login-{look}")
    page.get_by_label("Token").fill(TOKENS["oncall"])
    page.keyboard.press("Enter")
    page.wait_for_url("**/console")
    for name, path, heading in (
        ("overview", "/console", "Overview"),
        ("jobs", "/console/jobs", "Jobs"),
        ("job", f"/console/jobs/{job}", job),
        ("ledger", "/console/retries", "Ledger of retries"),
        ("endpoints", "/console/endpoints", "Endpoints"),
        ("audit", "/console/audit", "Audit"),
    ):
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
        shoot(page, f"{name}-{look}")
        assert page.evaluate(TOO_WIDE) == [], f"{name} is wider than the screen"
        assert "hush" not in page.content()


def test_every_page_has_landmarks_names_for_its_controls_and_enough_contrast(desk: Desk, visit: Visit) -> None:
    job = desk.run(lively(desk))
    for scheme in ("light", "dark"):
        page = visit(color_scheme=scheme)
        for path in ("", f"/jobs/{job}", "/jobs", "/retries", "/endpoints", "/audit"):
            page.goto(f"/console{path}")
            for role in ("banner", "navigation", "main", "contentinfo", "search"):
                assert page.get_by_role(role).count() >= 1, (path, role)
            assert page.locator("html").get_attribute("lang") == "en"
            assert page.evaluate(NAMELESS) == [], path
            assert page.evaluate(FAINT) == [], (path, scheme)


NAMELESS = """() => [...document.querySelectorAll('input:not([type=hidden]), select, button, a[href]')]
  .filter(e => !(e.labels && e.labels.length) && !e.textContent.trim() && !e.getAttribute('aria-label'))
  .map(e => e.outerHTML)"""
# WCAG 2.2, 1.4.3: the contrast of a text with what is below it.
FAINT = """() => {
  const rgb = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const part = v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const lum = c => { const [r, g, b] = c.map(v => part(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b };
  const below = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor);
    if (c.length === 3 || c[3] === 1) return c.slice(0, 3) } return [255, 255, 255] };
  const found = [];
  for (const e of document.querySelectorAll('main *, header *, footer *')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) || e.closest('svg, .hidden')) continue;
    const a = lum(rgb(getComputedStyle(e).color).slice(0, 3)), b = lum(below(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push(e.textContent.trim().slice(0, 40) + ' ' + ratio.toFixed(2));
  }
  return found }"""


def test_one_finds_a_job_by_keyboard_alone(desk: Desk, visit: Visit) -> None:
    job = waiting(desk, correlation_id="order-7")
    page = visit()
    page.keyboard.press("/")
    page.keyboard.type("order-7")
    page.keyboard.press("Enter")
    page.get_by_role("link", name=re.compile(job[:8])).press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(job)
    expect(page.get_by_role("list").filter(has_text="status_503")).to_be_visible()
    page.goto(f"/console/find?q={job}")
    expect(page.get_by_role("heading", level=1)).to_have_text(job)
    page.goto("/console")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()


@pytest.mark.parametrize("scripts", [True, False])
def test_one_redrives_what_a_filter_chose_after_it_was_counted(desk: Desk, visit: Visit, scripts: bool) -> None:  # noqa: FBT001
    failed(desk)
    waiting(desk, endpoint="https://other.example:443")
    page = visit(java_script_enabled=scripts)
    page.get_by_role("link", name="Ledger").click()
    expect(page.get_by_role("button", name="Redrive all")).to_have_count(0)
    page.get_by_label("Reason").fill("gone")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("button", name="Redrive all that match").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Redrive 1 message?")
    page.get_by_role("button", name="Redrive 1 message").click()
    expect(page.get_by_role("status")).to_contain_text("1 message redriven.")
    (retry,) = desk.run(claimed(desk.here))
    assert retry.endpoint == ENDPOINT
    page.get_by_role("link", name="Audit").click()
    expect(page.get_by_role("row").nth(1)).to_contain_text("oncall operator")


def test_one_message_of_a_job_is_cancelled_and_the_story_says_by_whom(desk: Desk, visit: Visit) -> None:
    job = waiting(desk)
    page = visit()
    page.goto(f"/console/jobs/{job}")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Cancel 1 message").click()
    expect(page.get_by_role("status")).to_contain_text("1 message cancelled.")
    expect(page.get_by_text("Cancelled by oncall.")).to_be_visible()


def test_an_endpoint_is_paused_with_a_reason_and_resumed(desk: Desk, visit: Visit) -> None:
    waiting(desk)
    page = visit()
    page.get_by_role("link", name="Endpoints", exact=True).click()
    page.get_by_text("Pause", exact=False).first.click()
    page.get_by_label("Why").fill("their upgrade")
    page.get_by_label("How long").select_option("for an hour")
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.get_by_text("Paused by oncall")).to_contain_text("their upgrade")
    (state,) = desk.run(desk.here.ledger.endpoints.away())
    assert state.remaining < timedelta(hours=1).total_seconds() + 1
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("status")).to_contain_text("is resumed")
    assert desk.run(desk.here.ledger.endpoints.away()) == []


def test_who_may_only_look_is_shown_no_buttons_and_let_do_nothing(desk: Desk, visit: Visit) -> None:
    job = waiting(desk)
    page = visit("desk")
    for path in (f"/jobs/{job}", "/retries?reason=status_503", "/endpoints"):
        page.goto(f"/console{path}")
        for name in ("Redrive", "Cancel", "Pause", "Resume"):
            assert page.get_by_role("button", name=name).count() == 0, (path, name)
    csrf = page.locator("input[name=csrf]").first.get_attribute("value") or ""
    form: dict[str, str | float | bool] = {"csrf": csrf, "action": "cancel", "job": job}
    answer = page.request.post("/console/retries/apply", form=form, headers={"Origin": desk.url})
    assert answer.status == 403


def test_one_chooses_dark_and_it_stays(visit: Visit) -> None:
    page = visit(color_scheme="light")
    page.get_by_role("button", name="Dark").click()
    page.goto("/console/jobs")
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.get_by_role("button", name="Light").click()
    assert page.url.endswith("/console/jobs")
    assert page.locator("html").get_attribute("data-theme") == "light"


def test_a_session_ends_by_signing_out_and_nobody_comes_in_without(visit: Visit) -> None:
    page = visit(None)
    page.goto("/console/jobs?state=failed")
    page.get_by_label("Token").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Nobody has this token")
    page.get_by_label("Token").fill(TOKENS["desk"])
    page.keyboard.press("Enter")
    page.wait_for_url("**/console/jobs?state=failed")
    (cookie,) = page.context.cookies()
    assert (cookie.get("httpOnly"), cookie.get("sameSite"), cookie.get("path")) == (True, "Strict", "/console")
    assert TOKENS["desk"] not in str(cookie)
    page.get_by_role("button", name="Sign out").click()
    page.goto("/console")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_the_overview_refreshes_itself_when_asked(desk: Desk, visit: Visit) -> None:
    page = visit()
    expect(page.get_by_text("Every webhook takes its messages.")).to_be_visible()
    desk.run(desk.here.ledger.endpoints.open(ENDPOINT, seconds=60, reason="connect"))
    page.get_by_role("button", name="Refresh every 10 s").click()
    expect(page.get_by_role("link", name="crm")).to_be_visible()
    expect(page.locator("#announce")).to_contain_text("refreshes")
