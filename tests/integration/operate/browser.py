"""A headless Chromium that dies with the tests, and keeps to loopback."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

SHOTS = Path(__file__).parents[3] / "screenshots"
REMEDY = "chromium is needed: apt-get install chromium, or name one in SIDECAR_TEST_CHROMIUM"
FLAGS = [
    "--no-sandbox",  # the tests may run as root, in a container
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


def chromium() -> str:
    """Find the program; skip the test where there is none."""
    found = os.environ.get("SIDECAR_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip(REMEDY)
    return found


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start it; Playwright's driver, and the browser with it, end when the block does or this process dies."""
    program = chromium()
    expect.set_options(timeout=60_000)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def shoot(page: Page, name: str) -> None:
    """Write a picture of the whole page, for people to look at."""
    SHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png", full_page=True)
