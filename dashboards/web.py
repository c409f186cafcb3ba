"""The page: one application with pages, API, events and static files. Everything it needs comes in as arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.exceptions import HTTPException as AnyHTTPException

from dashboards import acting, assets, charts, views, wording
from dashboards import backtest as backtests
from dashboards.acting import Deeds
from dashboards.api import Explain, Figure, Pace, PostId, Service, Verify, router
from dashboards.backtest import Run, Tester
from dashboards.events import Hub
from dashboards.security import COOKIE, HEADERS, Doorkeeper, Guard, client_of, local_path
from dashboards.windows import DEFAULT_RANGE, RANGES
from pipeline.errors import InputError, MoodstreamError, NotFoundError, StoreError
from pipeline.settings import WebSettings

FOUND_POSTS = 50  # on the search page
NEWEST_POSTS = 20  # on the topic page
FILTERS = ("percent", "points", "band", "count", "decimal", "moment", "lasting", "rounded", "plain")  # of wording.py, for the templates


def create_app(
    store: views.Reader,
    settings: WebSettings,
    *,
    clock: Callable[[], int],
    status: Callable[[], Mapping[str, object]],
    verify: Verify | None,
    version: str,
    explain: Explain | None = None,
    backtest: Run | None = None,
    rules: Sequence[str] = (),
    deeds: Deeds,
) -> FastAPI:
    """The application. `clock` gives the milliseconds that the pages call now.

    `status` may give `posts_per_second`, `factor` (simulated seconds per real second), `model`, `mode` (demo, run, serve) and
    anything else that is JSON. `verify` recomputes an incident by its id; `explain` says which words carry the score of a text;
    `backtest` runs a rule over stored history; `rules` are the names of those of the settings; `deeds` is what visitors may do.
    `app.state.hub.close()` ends the event streams.
    """
    service = Service(store, clock, status, verify, version, Pace(), explain)
    door = Doorkeeper(settings)
    app = FastAPI(title="moodstream", version=version, docs_url=None, redoc_url=None, openapi_url="/openapi.json")
    app.state.hub = Hub(service.snapshot)
    tester = None if backtest is None else Tester(service, backtest, rules)
    pages = Pages(service, door, tester, deeds)
    _add_errors(app, pages)
    app.include_router(router(service, app.state.hub))
    app.include_router(acting.router(store, deeds))
    if tester is not None:
        app.include_router(backtests.router(tester))
    _add_pages(app, pages)
    acting.add_pages(app, deeds, pages.bare)
    _add_files(app, pages)
    _add_door(app, pages, door)
    app.add_middleware(Guard, settings=settings, door=door)
    return app


class Pages:
    """Templates with the words and figures that every page may use."""

    def __init__(self, service: Service, door: Doorkeeper, tester: Tester | None, deeds: Deeds) -> None:
        self.service, self.tester, self._door, self._deeds = service, tester, door, deeds
        folder = Path(__file__).parent / "templates"
        self._jinja = Environment(
            loader=FileSystemLoader(folder),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._jinja.filters.update({name: getattr(wording, name) for name in FILTERS})
        self._jinja.globals.update(
            asset=assets.address,
            charts=charts,
            wording=wording,
            views=views,
            ranges=list(RANGES),
            can_explain=service.explain is not None,
            can_backtest=tester is not None,
            has_plotly=assets.plotly_file() is not None,
            plotly_places=assets.plotly_places,
        )

    def page(self, name: str, http_status: int = 200, **values: object) -> HTMLResponse:
        """One template as an answer. The status line is left out when the store can't be read."""
        try:
            line: Mapping[str, object] | None = self.service.counters()
        except StoreError:
            line = None
        return self.bare(name, http_status, status=line, **values)

    def incident(self, incident_id: str, request: Request, *, verify_now: bool = False) -> HTMLResponse:
        """The page of an incident, with every figure recomputed if asked."""
        view = views.incident(self.service.store, incident_id, self.service.clock())
        verify = self.service.verify
        result = verify(view.incident.id) if verify and verify_now else None
        handled, may = self._deeds.state(view.incident), self._door.may_act(request.headers)
        return self.page("incident.html", view=view, can_verify=verify is not None, verification=result, handled=handled, may_act=may)

    def bare(self, name: str, http_status: int = 200, **values: object) -> HTMLResponse:
        """One template without reading the store."""
        known = {"status": None, "now": self.service.clock(), "signed_in": self._door.closed, "version": self.service.version}
        html = self._jinja.get_template(name).render({**known, **values})
        return HTMLResponse(html.encode("utf-8", "replace"), http_status)


def _add_pages(app: FastAPI, pages: Pages) -> None:
    store, clock = pages.service.store, pages.service.clock
    get = partial(app.get, include_in_schema=False, response_class=HTMLResponse)

    @get("/")
    def overview() -> Response:
        return pages.page("overview.html", view=views.overview(store, clock()))

    @get("/topics/{name:path}")
    def topic(name: str, range_name: Annotated[str, Query(alias="range", max_length=10)] = DEFAULT_RANGE) -> Response:
        view = views.topic(store, name, range_name, clock())
        posts = store.posts(name, 0, view.window.end, NEWEST_POSTS)
        return pages.page("topic.html", view=view, posts=posts, map=views.mood_map(store, view))

    @get("/incidents/{incident_id}")
    def incident(incident_id: str, request: Request) -> Response:
        return pages.incident(incident_id, request)

    @app.post("/incidents/{incident_id}/verify", include_in_schema=False)
    def verify(incident_id: str, request: Request) -> Response:
        return pages.incident(incident_id, request, verify_now=True)

    _add_questions(app, pages)


def _add_questions(app: FastAPI, pages: Pages) -> None:
    """Pages that answer what a visitor asks: search, which words, backtest, the API's description."""
    store = pages.service.store
    get = partial(app.get, include_in_schema=False, response_class=HTMLResponse)

    @get("/search")
    def search(
        q: Annotated[str, Query(max_length=500)] = "",
        topic: Annotated[str, Query(max_length=200)] = "",
        since: Annotated[str, Query(max_length=40)] = "",
    ) -> Response:
        names = [summary.topic for summary in store.topics()]
        start, _ = pages.service.stretch(since or None, None)
        found = store.search(q, topic or None, start, None, FOUND_POSTS) if q.strip() else []
        return pages.page("search.html", q=q, topic=topic, since=since, names=names, found=found, most=FOUND_POSTS)

    @get("/why")
    def why(post_id: PostId, of: Figure = None) -> Response:
        item, found = pages.service.why(post_id, of)
        return pages.page("why.html", item=item, found=found)

    @get("/backtest")
    def backtest(
        topic: Annotated[str, Query(max_length=200)] = "",
        since: Annotated[str, Query(max_length=40)] = backtests.DEFAULT_STRETCH,
        rule: Annotated[str, Query(max_length=40)] = backtests.DETECTOR,
        sensitivity: Annotated[float | None, Query(ge=-5, le=5)] = None,
        run: Annotated[bool, Query()] = False,
    ) -> Response:
        if pages.tester is None:
            raise HTTPException(503, "this process can't run a backtest; use `moodstream backtest`")
        names = [summary.topic for summary in store.topics()]
        view = None
        if run:
            view = backtests.view(pages.service, pages.tester.result(topic, since, rule), sensitivity)
        asked = {"topic": topic, "since": since, "rule": rule, "sensitivity": sensitivity}
        return pages.page("backtest.html", view=view, names=names, asked=asked, stretches=backtests.STRETCHES, rules=pages.tester.rules)

    @get("/api")
    def api_page() -> Response:
        return pages.page("api.html", paths=app.openapi()["paths"])


def _add_files(app: FastAPI, pages: Pages) -> None:
    store = pages.service.store

    @app.get("/health", include_in_schema=False)
    def health() -> JSONResponse:
        store.latest()
        return JSONResponse({"status": "ok"})

    @app.get("/favicon.ico", include_in_schema=False)
    def icon() -> Response:
        return Response(assets.content("favicon.svg"), 200, {"cache-control": "max-age=86400"}, "image/svg+xml")

    @app.get("/static/{name}", include_in_schema=False)
    def static(name: str, request: Request) -> Response:
        if name not in assets.names():
            raise HTTPException(404, "no such file")
        headers = {"cache-control": assets.FOREVER if request.query_params.get("v") else "no-cache", "vary": "accept-encoding"}
        kind = assets.TYPES["." + name.rsplit(".", 1)[1]]
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(assets.packed(name), 200, {**headers, "content-encoding": "gzip"}, kind)
        return Response(assets.content(name), 200, headers, kind)


def _add_door(app: FastAPI, pages: Pages, door: Doorkeeper) -> None:
    @app.get("/login", include_in_schema=False)
    def login(target: Annotated[str, Query(alias="next", max_length=2_000)] = "/") -> Response:
        if not door.closed:
            return RedirectResponse("/", 303)
        return pages.bare("login.html", target=local_path(target), problem=None)

    @app.post("/login", include_in_schema=False)
    async def sign_in(request: Request) -> Response:
        form = parse_qs((await request.body()).decode("utf-8", "replace"), max_num_fields=5)
        target = local_path(form.get("next", ["/"])[0])
        token = form.get("token", [""])[0].strip()
        refusal = door.check(token, client_of(request.scope))
        if not door.closed or refusal is None:
            response: Response = RedirectResponse(target, 303)
            if door.closed:
                door.sign_in(response, token, https=request.url.scheme == "https")
            return response
        return pages.bare("login.html", refusal.status, target=target, problem=refusal.detail)

    @app.post("/logout", include_in_schema=False)
    def sign_out() -> Response:
        response = RedirectResponse("/login", 303)
        response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return response


def _add_errors(app: FastAPI, pages: Pages) -> None:
    """Every error is JSON for the API and a page with a way on for people."""

    def answer(request: Request, code: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
        if request.url.path.startswith(("/api/", "/health", "/static/")):
            return JSONResponse({"detail": detail}, code, dict(headers or {}))
        title = {404: "Not found", 422: "That can't be used", 503: "The store doesn't answer"}.get(code, HTTPStatus(code).phrase)
        response = pages.bare("error.html", code, code=code, title=title, detail=detail)
        response.headers.update(headers or {})
        return response

    def ours(request: Request, error: Exception) -> Response:
        if isinstance(error, NotFoundError):
            return answer(request, 404, str(error))
        if isinstance(error, InputError):
            return answer(request, 422, str(error))
        if isinstance(error, StoreError):
            return answer(request, 503, f"the store can't be read at the moment: {error}", {"retry-after": "5"})
        return answer(request, 500, "an error of the page; the log says more")

    def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, AnyHTTPException)
        return answer(request, error.status_code, str(error.detail), error.headers)

    def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return answer(request, 422, "; ".join(_problem(one) for one in error.errors()))

    def unexpected(request: Request, error: Exception) -> Response:  # noqa: ARG001  # the server logs it
        response = answer(request, 500, "an error of the page; the log says more")
        response.headers.update({name.decode(): value.decode() for name, value in HEADERS})
        return response

    app.add_exception_handler(Exception, unexpected)
    app.add_exception_handler(MoodstreamError, ours)
    app.add_exception_handler(AnyHTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)


def _problem(error: Mapping[str, Any]) -> str:
    return f"{error['loc'][-1]}: {error['msg']}"
