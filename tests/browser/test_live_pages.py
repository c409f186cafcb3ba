"""Pages that are open: they follow the store, say what is new, and notice when the server is gone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from browser_window import Browser, served
from pydantic import SecretStr
from seeded import NOW, TOPIC, plain, seeded_store
from selenium.webdriver.remote.webdriver import WebDriver

from consumers.stores.sqlite import SqliteStore
from pipeline.settings import WebSettings


@pytest.fixture
def moving(tmp_path: Path) -> Iterator[SqliteStore]:
    """A small store that a test may write to."""
    store = seeded_store(tmp_path / "moving.db", days=0.1, rate=2.0)
    yield store
    store.close()


@pytest.fixture
def page(driver: WebDriver, moving: SqliteStore) -> Iterator[Browser]:
    """A window on the pages of that store; it remembers whether it was loaded again."""
    with served(moving) as address:
        found = Browser(driver, address)
        found.size(1280)
        driver.get_log("browser")
        yield found


def open_and_stay(page: Browser, path: str) -> None:
    """Go to a page, wait until it listens, and mark it."""
    page.open(path)
    page.wait("document.querySelector('.pulse').dataset.state === 'live'")
    page.driver.execute_script("window.__same = true")


def test_new_posts_appear_by_themselves(page: Browser, moving: SqliteStore) -> None:
    """Counters, figures and the list of posts follow the store, without loading the page again."""
    open_and_stay(page, "/topics/Orbit%205")
    before = moving.count()
    moving.write(plain(["brand new words about it"], TOPIC, NOW - 60_000))
    page.wait("document.querySelector('[data-live=posts]').textContent.includes('brand new words about it')")
    page.wait(f"document.querySelector('[data-count=posts]').textContent === '{before + 1:,}'")
    assert page.run("window.__same")
    assert [] == page.complaints()


def test_a_new_alert_is_said_and_shown(page: Browser, moving: SqliteStore) -> None:
    """An incident that opens is put into the live region, leads to its page, and can be closed."""
    open_and_stay(page, "/")
    known = moving.incidents(TOPIC)[0]
    moving.save(replace(known, id="fresh0001", topic="Lumabrew", sentence="62 % negative of 240 posts."))
    page.wait("document.querySelector('#alerts[aria-live=assertive] .toast p')?.textContent === '62 % negative of 240 posts.'")
    page.wait("document.querySelector('h1').textContent.includes('2 of 6 topics')")
    assert page.run("document.querySelector('.toast a').href").endswith("/incidents/fresh0001")
    page.driver.find_element("css selector", ".toast button").click()
    assert 0 == page.run("document.querySelectorAll('.toast').length")
    assert page.run("window.__same")


def test_focus_and_open_tables_survive_an_update(page: Browser, moving: SqliteStore) -> None:
    """Who reads or tabs through a page isn't thrown back when figures change."""
    open_and_stay(page, "/topics/Orbit%205")
    page.driver.execute_script(
        "const table = document.querySelector('[data-live=trend-table] details');table.open = true; table.querySelector('summary').focus()"
    )
    moving.write(plain(["another one"], TOPIC, NOW - 50_000))
    page.wait("document.querySelector('[data-live=posts]').textContent.includes('another one')")
    assert page.run("document.querySelector('[data-live=trend-table] details').open")
    assert "SUMMARY" == page.run("document.activeElement.tagName")


def test_the_chart_follows(page: Browser, moving: SqliteStore) -> None:
    """The interactive chart is drawn again with the new figures."""
    open_and_stay(page, "/topics/Orbit%205")
    page.wait("document.querySelector('#trend')?.dataset.drawn === 'yes'")
    total = "document.querySelector('#trend').data.at(-1).y.reduce((sum, n) => sum + (n ?? 0), 0)"
    before = page.run(total)
    moving.write(plain(["one more", "and more"], TOPIC, NOW - 50_000))
    page.wait(f"{total} === {before} + 2")


def test_a_lost_connection_is_shown(driver: WebDriver, moving: SqliteStore) -> None:
    """When the server stops, the status line says so within seconds."""
    with served(moving) as address:
        page = Browser(driver, address)
        open_and_stay(page, "/")
    page.wait("document.querySelector('.pulse').textContent === 'connection lost'")


def test_the_verify_button_shows_each_figure_in_place(page: Browser, moving: SqliteStore) -> None:
    """The button recomputes without leaving the page; after an erasure the figure says what changed."""
    incident = moving.incidents(TOPIC)[0]
    open_and_stay(page, f"/incidents/{incident.id}")
    page.driver.find_element("css selector", "#verify button").click()
    page.wait("document.querySelectorAll('#verification .result.equal').length > 5")
    post = moving.get([incident.evidence[0].id])[incident.evidence[0].id].post
    moving.erase(post.platform, post.post_id, NOW)
    page.driver.find_element("css selector", "#verify button").click()
    page.wait("document.querySelector('#verification').textContent.includes('1 post erased')")
    page.wait("document.querySelector('[data-live=evidence]').textContent.includes('This post was erased')")
    assert post.text not in page.run("document.querySelector('[data-live=evidence]').textContent")
    assert page.run("window.__same")


def test_signing_in_and_out_with_the_form(driver: WebDriver, moving: SqliteStore) -> None:
    """A page with a token asks for it, leads on to where one wanted to go, listens there, and forgets on sign-out."""
    settings = WebSettings(port=0, token=SecretStr("correct horse"))
    with served(moving, settings) as address:
        page = Browser(driver, address)
        page.open("/topics/Orbit%205?range=6h")
        page.driver.find_element("id", "token").send_keys("wrong\n")
        page.wait("document.querySelector('[role=alert]')?.textContent.includes('not the token')")
        page.driver.find_element("id", "token").send_keys("correct horse\n")
        page.wait("location.pathname + location.search === '/topics/Orbit%205?range=6h'")
        page.wait("document.querySelector('.pulse')?.dataset.state === 'live'")
        assert "" == page.run("document.cookie")
        page.driver.find_element("xpath", "//button[text()='Sign out']").click()
        page.wait("location.pathname === '/login'")
        page.open("/")
        assert "/login" == page.run("location.pathname")
    driver.delete_all_cookies()
