"""What stands before every request: Host list, same-origin rule, sizes, the token, and the headers of every answer.

Each rule is a function from the request's headers to a refusal or None, so that it can be read and tested alone.
"""

from __future__ import annotations

import hmac
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import quote, urlsplit

from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.errors import SettingsError
from pipeline.settings import WebSettings

COOKIE = "moodstream_session"
LOGIN = "/login"
OPEN_PATHS = (LOGIN, "/static/", "/health", "/favicon.ico", "/act/")  # reachable without a token; none of them shows data, /act/ is signed
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CHANGE_NOTHING = ("/verify", "/logout")  # POSTs that a viewer may send
MOST_BODY = 64_000  # bytes; the largest honest body is a form with a token
MOST_TARGET = 8_000  # bytes of path and query
# plotly.js makes an empty <style> and fills it through the CSSOM, which a policy permits; the hash is that of the empty text.
EMPTY = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
CONTENT_POLICY = (
    f"default-src 'none'; script-src 'self'; style-src 'self' {EMPTY}; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", CONTENT_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),  # with no-referrer, browsers send `Origin: null` with our own forms
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=()"),
)


def check_bind(settings: WebSettings) -> None:
    """Refuse an address beyond loopback without a token. Raises SettingsError that says what to set."""
    if _secret(settings.viewer_token) and not _secret(settings.token):
        raise SettingsError("web.viewer_token needs web.token beside it, or everyone may act")
    if is_loopback(settings.host) or _secret(settings.token):
        return
    raise SettingsError(
        f"web.host = {settings.host!r} can be reached by others, so a token is required: set MOODSTREAM_WEB__TOKEN "
        "(for example to the output of `openssl rand -hex 24`) and name the page's host in web.allowed_hosts, or use 127.0.0.1"
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address. A name other than localhost may point anywhere, so it doesn't count."""
    plain = host.strip("[]").lower()
    if plain == "localhost":
        return True
    try:
        return ipaddress.ip_address(plain).is_loopback
    except ValueError:
        return False


def hosts_of(settings: WebSettings) -> frozenset[str]:
    """Host names, without port, that a request may ask for."""
    names = {*settings.allowed_hosts, f"[{settings.host}]" if ":" in settings.host else settings.host}
    if settings.public_url:
        names.add(urlsplit(settings.public_url).hostname or "")
    return frozenset(name.lower() for name in names if name)


def session_value(token: str) -> str:
    """What the cookie holds: derived from the token, so that a stolen cookie doesn't give the token away."""
    return hmac.new(token.encode(), b"moodstream page", "sha256").hexdigest()


def same(a: str, b: str) -> bool:
    """Equality in constant time; any two texts."""
    return hmac.compare_digest(a.encode("utf-8", "surrogatepass"), b.encode("utf-8", "surrogatepass"))


def local_path(target: str) -> str:
    """A path of this page to go to after the login; anything else becomes `/`."""
    plain = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if plain else "/"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request goes no further."""

    status: int
    detail: str


def refuse_host(headers: Headers, allowed: frozenset[str]) -> Refusal | None:
    """Only known Host headers, against DNS rebinding."""
    given = headers.getlist("host")
    name = given[0].rsplit(":", 1)[0] if given and not given[0].endswith("]") else "".join(given)
    if len(given) == 1 and name.lower() in allowed:
        return None
    return Refusal(400, "unknown Host header; add the name to web.allowed_hosts if this page is meant to be reached by it")


def refuse_origin(method: str, headers: Headers) -> Refusal | None:
    """What changes something must come from this page, or from a program that is no browser (it sends neither header)."""
    if method in SAFE_METHODS:
        return None
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site not in (None, "same-origin", "none"):
        return Refusal(403, "this request came from another site")
    if origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower():
        return Refusal(403, "this request came from another origin")
    return None


def refuse_size(method: str, target_bytes: int, headers: Headers) -> Refusal | None:
    """Bounds on address and body; a body must say its length."""
    if target_bytes > MOST_TARGET:
        return Refusal(414, f"the address is longer than {MOST_TARGET} bytes")
    if "transfer-encoding" in headers:
        return Refusal(411, "send a Content-Length instead of a chunked body")
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length[:12]) > MOST_BODY:
        return Refusal(413, f"the body is larger than {MOST_BODY} bytes")
    if method in {"TRACE", "CONNECT"}:
        return Refusal(405, "method not allowed")
    return None


class Attempts:
    """Counts wrong tokens per client address: ten in a minute, then a pause. Visitors with a session don't notice."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int = 10, seconds: float = 60.0) -> None:
        self._clock, self._most, self._seconds = clock, most, seconds
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()

    def blocked(self, client: str) -> bool:
        """Whether this address has to wait."""
        since = self._clock() - self._seconds
        return sum(at > since for at in self._wrong.get(client, ())) >= self._most

    def wrong(self, client: str) -> None:
        """One more wrong token; the addresses of the last 1,000 are remembered."""
        self._wrong[client] = [*self._wrong.pop(client, []), self._clock()][-self._most :]
        while len(self._wrong) > 1_000:
            self._wrong.popitem(last=False)


class Doorkeeper:
    """Knows the tokens: who is let in, who may act, and how one signs in. Without a token everyone may."""

    def __init__(self, settings: WebSettings, attempts: Attempts | None = None) -> None:
        self._token, self._viewer = _secret(settings.token), _secret(settings.viewer_token)
        self._attempts = attempts or Attempts()

    @property
    def closed(self) -> bool:
        """Whether a token is needed at all."""
        return self._token is not None

    def refuse(self, method: str, path: str, headers: Headers, client: str) -> Refusal | None:
        """None for an open path, a good bearer token or a good session cookie; a viewer's changes nothing."""
        if self._token is None or path.startswith(OPEN_PATHS):
            return None
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            refusal = self.check(token.strip(), client)
        elif any(same(_cookie(headers), session_value(known)) for known in self._known()):
            refusal = None
        else:
            refusal = Refusal(401, "a token is required: send `Authorization: Bearer TOKEN`, or sign in at /login")
        if refusal is None and method not in SAFE_METHODS and not path.endswith(CHANGE_NOTHING) and not self.may_act(headers):
            return Refusal(403, "this token may only look; sign in with web.token to act")
        return refusal

    def may_act(self, headers: Headers) -> bool:
        """Whether a visitor who was let in may also acknowledge, snooze and mute."""
        if self._token is None:
            return True
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return same(token.strip(), self._token)
        return same(_cookie(headers), session_value(self._token))

    def _known(self) -> list[str]:
        return [token for token in (self._token, self._viewer) if token is not None]

    def check(self, token: str, client: str) -> Refusal | None:
        """None for the right token. Wrong ones are counted."""
        if self._attempts.blocked(client):
            return Refusal(429, "too many wrong tokens; wait a minute")
        if any(same(token, known) for known in self._known()):
            return None
        self._attempts.wrong(client)
        return Refusal(401, "that is not the token")

    def sign_in(self, response: Response, token: str, *, https: bool) -> None:
        """Give the session cookie of a token that was checked."""
        value = session_value(token)
        response.set_cookie(COOKIE, value, max_age=30 * 86_400, httponly=True, samesite="strict", secure=https, path="/")


class Guard:
    """ASGI layer around the whole application: refuses first, and puts the headers on every answer."""

    def __init__(self, app: ASGIApp, settings: WebSettings, door: Doorkeeper) -> None:
        self._app, self._door, self._hosts = app, door, hosts_of(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            await send(_with_headers(message, private=self._door.closed))

        refusal = self._refusal(scope)
        answer = self._app if refusal is None else _answer(scope, refusal)
        await answer(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Refusal | None:
        headers, method, path = Headers(scope=scope), scope["method"], scope["path"]
        target = len(scope.get("raw_path") or path.encode()) + len(scope["query_string"])
        return (
            refuse_host(headers, self._hosts)
            or refuse_size(method, target, headers)
            or refuse_origin(method, headers)
            or self._door.refuse(method, path, headers, client_of(scope))
        )


def client_of(scope: Scope | MutableMapping[str, Any]) -> str:
    """The client's address as the server sees it."""
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


def _answer(scope: Scope, refusal: Refusal) -> Response:
    """JSON for the API, the login page for a visitor without a session, else a line of text."""
    extra = {"www-authenticate": "Bearer"} if refusal.status == 401 else {"retry-after": "60"} if refusal.status == 429 else {}
    if scope["path"].startswith("/api/") or scope["path"] == "/openapi.json":
        return JSONResponse({"detail": refusal.detail}, refusal.status, extra)
    if refusal.status == 401 and scope["method"] == "GET":
        query = scope["query_string"].decode("ascii", "replace")
        target = quote(scope["path"]) + (f"?{query}" if query else "")
        return RedirectResponse(f"{LOGIN}?next={quote(target, safe='')}", 303)
    return PlainTextResponse(refusal.detail + "\n", refusal.status, extra)


def _with_headers(message: Message, *, private: bool) -> Message:
    if message["type"] == "http.response.start":
        given = {name.lower() for name, _ in message.get("headers", ())}
        store = b"no-store" if private else b"no-cache"
        extra = [] if b"cache-control" in given else [(b"cache-control", store)]
        message["headers"] = [*message.get("headers", ()), *HEADERS, *extra]
    return message


def _secret(given: SecretStr | None) -> str | None:
    token = given.get_secret_value().strip() if given else ""
    return token or None


def _cookie(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""
