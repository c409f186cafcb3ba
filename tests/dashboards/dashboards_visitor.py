"""A visitor of the application in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import httpx
from fastapi import FastAPI
from seeded import NOW

from consumers.stores.sqlite import SqliteStore
from dashboards.acting import Deeds
from dashboards.shapes import Verification
from dashboards.views import Reader
from dashboards.web import create_app
from pipeline.backtest import backtest
from pipeline.backtested import Backtest
from pipeline.detector import DetectorConfig
from pipeline.links import Signer
from pipeline.settings import Settings, WebSettings
from pipeline.verify import verify
from pipeline.wiring import explainer

BASE = "http://127.0.0.1:8420"


class Visitor:
    """Asks an application in this process, one request at a time; redirects are not followed, cookies are kept."""

    def __init__(self, app: FastAPI, client: tuple[str, int] = ("127.0.0.1", 50_000)) -> None:
        self._transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=client)
        self.cookies = httpx.Cookies()

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """The whole answer. `headers`, `params`, `content`, `data` as httpx has them."""
        return asyncio.run(self._ask(method, path, options))

    def get(self, path: str, **options: Any) -> httpx.Response:
        """GET."""
        return self.ask("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        """POST."""
        return self.ask("POST", path, **options)

    async def _ask(self, method: str, path: str, options: dict[str, Any]) -> httpx.Response:
        async with httpx.AsyncClient(transport=self._transport, base_url=BASE, cookies=self.cookies) as client:
            answer = await client.request(method, path, **options)
            self.cookies = client.cookies
            return answer


def app_over(
    reader: Reader,
    settings: WebSettings | None = None,
    status: Callable[[], Mapping[str, object]] = lambda: {"model": "truth@0000", "factor": 60},
    *,
    verifies: bool = True,
    explains: bool = True,
) -> FastAPI:
    """The application over a store."""

    def check(incident_id: str) -> Verification:
        assert isinstance(reader, SqliteStore)
        return Verification.model_validate(verify(reader, reader.incident(incident_id)), from_attributes=True)

    words = explainer(Settings(model="static")) if explains else None

    def rehearse(topic: str, since: int, rule: str) -> Backtest:
        return backtest(reader, topic, since, DetectorConfig(), rule)

    checks, runs = (check, rehearse) if verifies else (None, None)
    return create_app(
        reader,
        settings or WebSettings(),
        clock=lambda: NOW,
        status=status,
        verify=checks,
        version="1.2.3",
        explain=words,
        backtest=runs,
        deeds=Deeds(reader, lambda: NOW, Signer(BASE, b"k" * 32)),  # type: ignore[arg-type]  # a reader that is no store can't act
    )
