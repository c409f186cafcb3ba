"""A real browser and a real server, over a store as the demo would have it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser_window import Browser, served
from seeded import TOPIC, seeded_store
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.remote.webdriver import WebDriver

from consumers.stores.sqlite import SqliteStore

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Without BackForwardCache: with it one page in some 600 stood still for 31 s between its answer and its first resource.
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-features=BackForwardCache",
    "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars", "--lang=en-GB",
)  # fmt: skip
# What went wrong on a page: refused by the policy, thrown, or an alert that a payload opened.
WATCH = """
window.__refused = [];
document.addEventListener('securitypolicyviolation', e => window.__refused.push(e.effectiveDirective + ' ' + e.blockedURI));
window.__ran = [];
for (const name of ['alert', 'confirm', 'prompt', 'print']) window[name] = (...given) => window.__ran.push([name, ...given]);
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs a browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def new_driver(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], WebDriver]:
    """Starts a browser with a fresh profile; skips where there is none."""
    binary = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("no Chromium with its driver: on Debian, apt-get install chromium chromium-driver")

    def start() -> WebDriver:
        options = Options()
        options.binary_location = binary
        for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        browser = webdriver.Chrome(options=options, service=Service(driver))
        browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
        browser.set_page_load_timeout(60)
        return browser

    return start


@pytest.fixture(scope="session")
def driver(new_driver: Callable[[], WebDriver]) -> Iterator[WebDriver]:
    """One browser for all tests."""
    found = new_driver()
    yield found
    found.quit()


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteStore]:
    """A day of six topics with an open incident; tests only read it."""
    store = seeded_store(tmp_path_factory.mktemp("store") / "seeded.db", days=1.1)
    yield store
    store.close()


@pytest.fixture(scope="session")
def site(seeded: SqliteStore) -> Iterator[str]:
    """The address of the pages over the seeded store."""
    with served(seeded) as address:
        yield address


@pytest.fixture
def browser(driver: WebDriver, site: str) -> Browser:
    """A window of desktop size, light, with nothing remembered."""
    found = Browser(driver, site)
    found.size(1280)
    found.prefer("light")
    driver.get(f"{site}/health")
    found.run("localStorage.clear()")
    driver.get_log("browser")
    return found


@pytest.fixture(scope="session")
def paths(seeded: SqliteStore) -> dict[str, str]:
    """The four pages, and the backtest of a topic."""
    incident = seeded.incidents(TOPIC)[0].id
    tried = "/backtest?topic=Orbit+5&since=7d&sensitivity=-3&run=1"
    return {
        "overview": "/", "topic": "/topics/Orbit%205", "incident": f"/incidents/{incident}", "search": "/search?q=photos",
        "backtest": tried,
    }  # fmt: skip
