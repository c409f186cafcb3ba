"""The pictures of docs/images: made from seeded posts by `make screenshots`, and checked to show something on every run."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser_window import Browser, served
from seeded import TOPIC, seeded_store
from selenium.webdriver.remote.webdriver import WebDriver

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


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[tuple[str, dict[str, str]]]:
    """Address and pages of a store of its own: more posts when the pictures are to be kept, so that lines are calm."""
    rate = 16.0 if pytestconfig.getoption("--write-screenshots") else 2.0
    store = seeded_store(tmp_path_factory.mktemp("pictures") / "pictures.db", days=1.1, rate=rate, emoji=False)
    incident = store.incidents(TOPIC)[0].id
    paths = {"overview": "/", "topic": "/topics/Orbit%205", "incident": f"/incidents/{incident}", "search": "/search?q=photos"}
    with served(store) as address:
        yield address, paths
    store.close()


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
