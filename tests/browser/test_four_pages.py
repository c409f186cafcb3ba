"""The four pages in a real browser: no complaint, no sideways scrolling, light and dark, by keyboard."""

from __future__ import annotations

import itertools

import pytest
from browser_window import Browser
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

PAGES = ("overview", "topic", "incident", "search", "backtest")
WIDTHS = (320, 360, 390, 400, 768, 1280)
# Contrast of every visible text with the colour behind it (WCAG 2.2, 1.4.3): [ratio, text] of those below 4.5, large text 3.
CONTRAST = """
(() => {
  const parts = (c) => c.match(/[\\d.]+/g).map(Number);
  const linear = (v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
  const light = (c) => { const [r, g, b] = c.slice(0, 3).map(linear);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = (node) => { for (let at = node; at; at = at.parentElement) { const c = parts(getComputedStyle(at).backgroundColor);
    if (c.length < 4 || c[3] > 0.99) return c; } return [255, 255, 255]; };
  const bad = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode.parentElement, text = walk.currentNode.textContent.trim(), style = getComputedStyle(node);
    if (!text || node.closest('svg, script, template, .hidden, .skip') || !node.checkVisibility() || node.closest('.hidden')) continue;
    const [a, b] = [light(parts(style.color)), light(behind(node))].sort((x, y) => y - x);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
    if ((a + 0.05) / (b + 0.05) < (large ? 3 : 4.5)) bad.push([((a + 0.05) / (b + 0.05)).toFixed(2), text.slice(0, 40)]);
  }
  return bad;
})()
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_drawn_without_complaint(browser: Browser, paths: dict[str, str], page: str, scheme: str) -> None:
    """No error in the console, nothing refused by the policy, in light and dark; plotly.js draws under it."""
    browser.prefer(scheme)
    browser.open(paths[page])
    if page == "topic":
        browser.wait("document.querySelectorAll('#trend .main-svg').length > 1")
        assert browser.run("getComputedStyle(document.querySelector('#trend .main-svg')).position") == "absolute"
    browser.wait("document.querySelector('.pulse').dataset.state === 'live'")
    assert scheme == browser.run("document.documentElement.dataset.theme")
    assert [] == browser.complaints()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", PAGES)
def test_text_stands_out_from_what_is_behind(browser: Browser, paths: dict[str, str], page: str, scheme: str) -> None:
    """Every text has the contrast that WCAG 2.2 AA asks for."""
    browser.prefer(scheme)
    browser.open(paths[page])
    assert [] == browser.run(CONTRAST)


@pytest.mark.parametrize("page", PAGES)
def test_no_width_scrolls_sideways(browser: Browser, paths: dict[str, str], page: str) -> None:
    """From a small phone to a desk, the page is as wide as the window."""
    found = {}
    for width in WIDTHS:
        browser.size(width, 800, phone=width < 500)
        browser.open(paths[page])
        if page == "topic":
            browser.wait("document.querySelectorAll('#trend .main-svg').length > 1")
        found[width] = browser.run("document.documentElement.scrollWidth")
    assert {width: width for width in WIDTHS} == found


def test_fingers_can_hit_what_is_to_be_hit(browser: Browser, paths: dict[str, str]) -> None:
    """On a phone, buttons, navigation and ranges are at least 24 pixels high (WCAG 2.2, 2.5.8)."""
    browser.size(390, 844, phone=True)
    for page in PAGES:
        browser.open(paths[page])
        small = browser.run(
            "[...document.querySelectorAll('button, nav a, .ranges a, select, input, summary')].filter(e => e.checkVisibility())"
            ".map(e => [e.textContent.trim(), e.getBoundingClientRect().height]).filter(([, h]) => h < 24 && h > 1)"
        )
        assert [] == small


def test_the_theme_is_chosen_and_kept(browser: Browser, paths: dict[str, str]) -> None:
    """The button changes light to dark, the charts follow, and the next page remembers."""
    browser.open(paths["topic"])
    browser.wait("document.querySelectorAll('#trend .main-svg').length > 1")
    before = browser.run("getComputedStyle(document.body).backgroundColor")
    browser.driver.find_element("id", "theme").click()
    assert "dark" == browser.run("document.documentElement.dataset.theme")
    assert before != browser.run("getComputedStyle(document.body).backgroundColor")
    browser.wait("getComputedStyle(document.querySelector('#trend .main-svg')).background.includes('24, 30, 38')")
    browser.open(paths["overview"])
    assert ["dark", "true"] == browser.run(
        "[document.documentElement.dataset.theme, document.getElementById('theme').getAttribute('aria-pressed')]"
    )


@pytest.mark.parametrize("page", PAGES)
def test_a_keyboard_reaches_everything(browser: Browser, paths: dict[str, str], page: str) -> None:
    """Tab goes through every link and control in the order of the page, each with a visible focus; the first skips to the content."""
    browser.open(paths[page])
    wanted = browser.run(
        "[...document.querySelectorAll('a[href], button, input, select, summary, [tabindex=\"0\"]')]"
        ".filter(e => e.checkVisibility() && !e.closest('details:not([open]) > :not(summary)') && !e.closest('#trend')).length"
    )
    seen, first, unseen = 0, None, []
    for _ in range(wanted + 30):
        ActionChains(browser.driver).send_keys(Keys.TAB).perform()
        name, outline, inside = browser.run(
            "(e => [e.className || e.tagName, getComputedStyle(e).outlineStyle + getComputedStyle(e).outlineWidth,"
            " e !== document.body && !e.closest('#trend')])(document.activeElement)"
        )
        if name == "BODY":
            break
        first = first or name
        seen += inside
        if inside and (outline.startswith("none") or outline.endswith("0px")):
            unseen.append(name)
    assert "skip" == first
    assert [] == unseen
    assert wanted == seen


def test_the_skip_link_leads_to_the_content(browser: Browser, paths: dict[str, str]) -> None:
    """The first link puts the focus on the main part."""
    browser.open(paths["overview"])
    ActionChains(browser.driver).send_keys(Keys.TAB, Keys.ENTER).perform()
    assert "content" == browser.run("document.activeElement.id")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_one_heading_and_its_landmarks(browser: Browser, paths: dict[str, str], page: str) -> None:
    """One h1, no level left out, a main part, a banner with navigation, and a name for every control."""
    browser.open(paths[page])
    levels = browser.run("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => Number(h.tagName[1]))")
    assert 1 == levels.count(1) == levels[0]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert [1, 1, 1] == browser.run("['main', 'body > header', 'body > footer'].map(s => document.querySelectorAll(s).length)")
    nameless = browser.run(
        "[...document.querySelectorAll('a, button, input:not([type=hidden]), select')].filter(e => !(e.textContent.trim()"
        " || e.getAttribute('aria-label') || e.labels?.length)).map(e => e.outerHTML)"
    )
    assert [] == nameless
    assert len(set(browser.run("[...document.querySelectorAll('[id]')].map(e => e.id)"))) == browser.run(
        "document.querySelectorAll('[id]').length"
    )


def test_pages_say_everything_without_scripts(browser: Browser, paths: dict[str, str]) -> None:
    """With scripts switched off, figures, charts, tables and the verify form are there."""
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.driver.get(browser.base + paths["topic"])
        assert browser.driver.find_element("css selector", "#trend svg.chart.share").is_displayed()
        browser.driver.get(browser.base + paths["incident"])
        browser.driver.find_element("css selector", "#verify button").click()
        WebDriverWait(browser.driver, 15).until(lambda driver: driver.current_url.endswith("/verify"))
        assert len(browser.driver.find_elements("css selector", "#verification tbody tr")) > 15
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_the_chart_answers_the_pointer(browser: Browser, paths: dict[str, str]) -> None:
    """Pointing at the chart shows the share, its band and the posts of that step, in UTC."""
    browser.open(paths["topic"])
    browser.wait("document.querySelectorAll('#trend .main-svg').length > 1")
    chart = browser.driver.find_element("css selector", "#trend .nsewdrag")
    ActionChains(browser.driver).move_to_element(chart).perform()
    browser.wait("document.querySelector('#trend .hoverlayer').textContent.includes('95 % band')")
    text = browser.run("document.querySelector('#trend .hoverlayer').textContent")
    assert "UTC" in text
    assert "posts" in text


def test_a_range_is_a_link(browser: Browser, paths: dict[str, str]) -> None:
    """Choosing six hours leads to a page of its own, which can be kept and shared."""
    browser.open(paths["topic"])
    browser.driver.find_element("link text", "6h").click()
    browser.wait("location.search === '?range=6h'")
    assert "6h" == browser.run("document.querySelector('.ranges [aria-current]').textContent")


def test_the_slider_shows_another_sensitivity_at_once(browser: Browser, paths: dict[str, str]) -> None:
    """Moving it by key shows that sensitivity's messages and no other; nothing is asked of the server."""
    browser.open(paths["backtest"])
    browser.wait("document.getElementById('show').hidden")
    asked = browser.run("performance.getEntriesByType('resource').length")
    slider = browser.driver.find_element("id", "sensitivity")
    slider.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert ["-2.0"] == browser.run("[...document.querySelectorAll('.level:not([hidden])')].map((one) => one.dataset.sensitivity)")
    assert "−2" == browser.run("document.getElementById('chosen').textContent")
    assert asked == browser.run("performance.getEntriesByType('resource').length")
    assert [] == browser.complaints()
