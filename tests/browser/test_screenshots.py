"""The pictures of docs/images: made from seeded posts by `make screenshots`, and checked to show something on every run."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from browser_window import Browser, served
from seeded import EMOJI, NOW, TOPIC, seeded_store
from selenium.webdriver.remote.webdriver import WebDriver

from consumers.demo import Demo, SteppedClock
from consumers.local import Embedded
from consumers.stores.sqlite import SqliteStore
from pipeline import wiring
from pipeline.records import to_ms
from pipeline.settings import Settings
from producers.stories import default_stories
from producers.subjects import demo_topics
from producers.synthetic import Arrival, Synthetic

DESK, PHONE = (1280, 860), (390, 844)
PICTURES = {  # name → (page, colours, window)
    "overview": ("overview", "light", DESK),
    "overview-dark": ("overview", "dark", DESK),
    "topic": ("topic", "light", (1280, 1180)),
    "incident": ("incident", "light", (1280, 1480)),
    "search": ("search", "light", DESK),
    "phone": ("overview", "light", PHONE),
}
MOST_BYTES = 400_000
RATE = 4.0  # of the demo


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[tuple[str, dict[str, str]]]:
    """Address and pages: of the real demo half an hour after its story broke if the pictures are kept, else of a small store."""
    path = tmp_path_factory.mktemp("pictures") / "pictures.db"
    store, now = demo(path) if pytestconfig.getoption("--write-screenshots") else (seeded_store(path, days=0.5, rate=2.0), NOW)
    incident = store.incidents(TOPIC, open_only=True)[0].id
    paths = {"overview": "/", "topic": "/topics/Orbit%205", "incident": f"/incidents/{incident}", "search": "/search?q=photos"}
    with served(store, now=now) as address:
        yield address, paths
    store.close()


def demo(path: Path) -> tuple[SqliteStore, int]:
    """The demo's store with its own posts, model and detector, and the time of its clock. Emoji are left out: not every machine
    that makes the pictures has a font for them.
    """
    settings = Settings(store=f"sqlite:///{path}", topics=demo_topics(), model="static")  # as `moodstream demo` has it
    clock = SteppedClock(to_ms("2026-11-02T00:00:00Z"))
    store = SqliteStore.open(path, now=clock)
    source = Synthetic(7, rate=RATE, stories=default_stories(clock.now))

    def arriving(start: int, end: int) -> Iterator[Arrival]:
        for item in source.arriving(start, end):
            yield replace(item, post=replace(item.post, text=EMOJI.sub("", item.post.text)))

    feed = Demo(Embedded(store, wiring.context(settings, store=store), wiring.watch(settings, store), clock), arriving, clock)
    feed.fill(lambda _: None)
    assert feed.until_incident() is not None
    for _ in range(15):
        feed.step()
    return store, clock.now


@pytest.mark.timeout(900)  # the demo's three weeks take a minute or two
@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_shows_the_page(
    driver: WebDriver, site: tuple[str, dict[str, str]], name: str, root: Path, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    """Each picture has its size and many colours; with --write-screenshots it is kept in docs/images."""
    page, scheme, (width, height) = PICTURES[name]
    address, paths = site
    browser = Browser(driver, address)
    browser.size(width, height, phone=width < 500)
    browser.prefer(scheme)
    browser.open(paths[page])
    browser.run("localStorage.clear()")
    if page == "topic":
        browser.wait("document.querySelectorAll('#trend .main-svg').length > 1")
    browser.wait("document.querySelector('.pulse').dataset.state === 'live'")
    folder = root / "docs" / "images" if pytestconfig.getoption("--write-screenshots") else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.png"
    assert driver.save_screenshot(str(file))
    data = file.read_bytes()
    assert (width, height) == struct.unpack(">II", data[16:24])
    assert len(data) < MOST_BYTES
    assert len(set(pixels(data))) > 200


def pixels(png: bytes) -> Iterator[bytes]:
    """Pieces of the picture's raw lines, 60 bytes each: a blank page has few different ones."""
    parts, at = [], 8
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        if kind == b"IDAT":
            parts.append(png[at + 8 : at + 8 + size])
        at += size + 12
    raw = zlib.decompress(b"".join(parts))
    return (raw[start : start + 60] for start in range(0, len(raw), 60))
