"""A window on the pages of a server that runs in this process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from seeded import NOW
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.wait import WebDriverWait

from consumers.stores.sqlite import SqliteStore
from dashboards.acting import Deeds
from dashboards.server import PageServer, bind, url_of
from dashboards.shapes import Verification
from dashboards.views import Reader
from dashboards.web import create_app
from pipeline.backtest import backtest
from pipeline.backtested import Backtest
from pipeline.detector import DetectorConfig
from pipeline.records import Evidence
from pipeline.settings import Settings, WebSettings
from pipeline.verify import verify
from pipeline.wiring import explainer


@dataclass(frozen=True)
class Browser:
    """A window on the pages of one server."""

    driver: WebDriver
    base: str

    def open(self, path: str) -> None:
        """Go to a page, and wait until it is drawn and listens for events."""
        self.driver.get(self.base + path)
        self.wait("document.readyState === 'complete'")

    def run(self, script: str, *given: Any) -> Any:
        """The value of an expression on the page."""
        return self.driver.execute_script(f"return ({script});", *given)

    def wait(self, script: str, seconds: float = 15) -> None:
        """Until the expression is true on the page."""
        WebDriverWait(self.driver, seconds, 0.05).until(lambda _: self.run(script), script)

    def size(self, width: int, height: int = 900, *, phone: bool = False) -> None:
        """The window's size in CSS pixels."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def prefer(self, scheme: str) -> None:
        """What the system prefers: light or dark."""
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)

    def block(self, pattern: str) -> None:
        """Addresses that are not loaded from now on; an empty pattern lifts it."""
        self.driver.execute_cdp_cmd("Network.enable", {})
        self.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": [pattern] if pattern else []})

    def complaints(self) -> list[str]:
        """Errors of the console, and what the policy refused, since the last call and on this page."""
        logged = [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]
        return [*logged, *self.run("window.__refused")]


@contextmanager
def served(store: Reader, settings: WebSettings | None = None, now: int = NOW) -> Iterator[str]:
    """The address of the application over a store, in a thread of its own; its clock stands at `now`."""

    def check(incident_id: str) -> Verification:
        assert isinstance(store, SqliteStore)
        return Verification.model_validate(verify(store, store.incident(incident_id)), from_attributes=True)

    settings = settings or WebSettings(port=0)
    model = next((item.score.model for item in store.get([one.id for one in _evidence(store)]).values() if item.score), None)
    status = {"model": model, "factor": 60, "mode": "demo"}
    words = explainer(Settings(model="static"))

    def rehearse(topic: str, since: int, rule: str) -> Backtest:
        return backtest(store, topic, since, DetectorConfig(), rule)

    app = create_app(
        store,
        settings,
        clock=lambda: now,
        status=lambda: status,
        verify=check,
        version="0.1.0",
        explain=words,
        backtest=rehearse,
        deeds=Deeds(store, lambda: now),  # type: ignore[arg-type]
    )
    listener = bind(settings)
    server = PageServer(app)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
    thread.start()
    try:
        yield url_of(listener, settings)
    finally:
        server.should_exit = True
        thread.join(10)


def _evidence(store: Reader) -> list[Evidence]:
    return [quote for incident in store.incidents() for quote in incident.evidence]
