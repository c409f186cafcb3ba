"""What stands before every request."""

from __future__ import annotations

import re

import pytest
from dashboards_visitor import BASE, Visitor, app_over
from pydantic import SecretStr
from seeded import TOPIC

from consumers.stores.sqlite import SqliteStore
from dashboards.security import CONTENT_POLICY, COOKIE, MOST_BODY, Attempts, check_bind, is_loopback, local_path, session_value
from pipeline.errors import SettingsError
from pipeline.settings import WebSettings

TOKEN = "a-token-for-tests-4711"
PAGES = ("/", f"/topics/{TOPIC}", "/search?q=photos", "/api", "/api/v1/topics", "/openapi.json", "/health", "/static/frame.css", "/nothing")


@pytest.fixture
def locked(store: SqliteStore) -> Visitor:
    """A visitor of a page that needs a token."""
    return Visitor(app_over(store, WebSettings(host="0.0.0.0", token=SecretStr(TOKEN))))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8420", "localhost:8420", "LOCALHOST", "[::1]:8420", "[::1]"])
def test_known_hosts_are_answered(visitor: Visitor, host: str) -> None:
    """Loopback names are accepted on any port, in any case."""
    assert 200 == visitor.get("/", headers={"host": host}).status_code


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8420", "evil.example:127.0.0.1", "", "::1", "localhost@evil"]
)
def test_unknown_hosts_are_refused(visitor: Visitor, host: str) -> None:
    """A name that rebinding could point here gets nothing, not even a page that exists."""
    for path in PAGES:
        answer = visitor.get(path, headers={"host": host})
        assert 400 == answer.status_code
        assert TOPIC not in answer.text


def test_two_hosts_are_refused(visitor: Visitor) -> None:
    """A request with two Host headers is ambiguous."""
    answer = visitor.get("/", headers=[("host", "localhost"), ("host", "evil.example")])
    assert 400 == answer.status_code


def test_settings_add_hosts(store: SqliteStore) -> None:
    """allowed_hosts, the bound host and the public address are accepted, nothing else."""
    settings = WebSettings(host="10.1.2.3", token=SecretStr(TOKEN), allowed_hosts=("mood.internal",), public_url="https://mood.example/x")
    visitor = Visitor(app_over(store, settings))
    codes = [
        visitor.get("/health", headers={"host": host}).status_code for host in ("10.1.2.3:80", "mood.internal", "mood.example", "localhost")
    ]
    assert [200, 200, 200, 400] == codes


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "http://localhost:8420"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "origin": BASE},
        {"sec-fetch-site": "same-origin", "origin": "http://evil.example"},
    ],
)
def test_a_post_from_elsewhere_is_refused(visitor: Visitor, store: SqliteStore, headers: dict[str, str]) -> None:
    """Every POST must come from this very origin."""
    incident = store.incidents(TOPIC)[0].id
    for path in (f"/incidents/{incident}/verify", f"/api/v1/incidents/{incident}/verify", "/login", "/logout", "/nothing"):
        assert 403 == visitor.post(path, headers=headers).status_code


@pytest.mark.parametrize(
    "headers", [{"origin": BASE}, {"sec-fetch-site": "same-origin", "origin": BASE}, {"sec-fetch-site": "same-origin"}, {}]
)
def test_a_post_from_the_page_or_a_program_is_answered(visitor: Visitor, store: SqliteStore, headers: dict[str, str]) -> None:
    """The page's own form, and a program that is no browser, may ask for a verification."""
    incident = store.incidents(TOPIC)[0].id
    assert 200 == visitor.post(f"/api/v1/incidents/{incident}/verify", headers=headers).status_code


@pytest.mark.parametrize("path", PAGES)
def test_every_answer_has_the_headers(visitor: Visitor, path: str) -> None:
    """Policy, no sniffing, no referrer, no frames: on pages, data, files and errors alike."""
    headers = visitor.get(path).headers
    assert CONTENT_POLICY == headers["content-security-policy"]
    assert "nosniff" == headers["x-content-type-options"]
    assert "same-origin" == headers["referrer-policy"]
    assert "DENY" == headers["x-frame-options"]
    assert "same-origin" == headers["cross-origin-resource-policy"]


def test_the_policy_allows_own_scripts_only() -> None:
    """No inline code, no eval, no other host; the one hash is that of an empty style element."""
    rules = dict(rule.strip().split(" ", 1) for rule in CONTENT_POLICY.split(";"))
    assert "'none'" == rules["default-src"] == rules["base-uri"] == rules["frame-ancestors"]
    assert "'self'" == rules["script-src"] == rules["connect-src"] == rules["form-action"]
    assert "'self' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='" == rules["style-src"]
    assert "unsafe" not in CONTENT_POLICY


def test_pages_have_nothing_inline(visitor: Visitor, store: SqliteStore) -> None:
    """No style attribute, no inline script but data, no event attribute, no address of another host."""
    paths = [*PAGES[:4], f"/incidents/{store.incidents(TOPIC)[0].id}", "/nothing"]
    for path in paths:
        html = visitor.get(path).text
        assert not re.search(r"<[^>]+\sstyle\s*=", html)
        assert not re.search(r"<style", html)
        assert not re.search(r"<[^>]+\son\w+\s*=", html)
        assert not re.search(r"""(?:src|href|action)\s*=\s*["'](?:https?:)?//""", html)
        assert all("src=" in tag or "application/json" in tag for tag in re.findall(r"<script[^>]*>", html))


@pytest.mark.parametrize(
    ("method", "path", "options", "code"),
    [
        ("POST", "/login", {"content": b"x" * (MOST_BODY + 1)}, 413),
        ("POST", "/login", {"headers": {"transfer-encoding": "chunked"}, "content": b"x"}, 411),
        ("POST", "/login", {"headers": {"content-length": "-1"}}, 413),
        ("POST", "/login", {"headers": {"content-length": "9" * 40}}, 413),
        ("GET", "/search?q=" + "a" * 9_000, {}, 414),
        ("GET", "/" + "a" * 9_000, {}, 414),
        ("TRACE", "/", {}, 405),
        ("DELETE", "/api/v1/topics", {}, 405),
        ("PUT", "/", {}, 405),
    ],
)
def test_requests_are_bounded(visitor: Visitor, method: str, path: str, options: dict[str, object], code: int) -> None:
    """Long addresses, large or endless bodies and unknown methods are refused before anything reads them."""
    assert code == visitor.ask(method, path, **options).status_code


@pytest.mark.parametrize(
    "path", ["/static/../web.py", "/static/%2e%2e/web.py", "/static/..%2fweb.py", "/static/web.py", "/static//etc/passwd", "/static/"]
)
def test_only_listed_files_are_served(visitor: Visitor, path: str) -> None:
    """No way out of the folder of static files."""
    answer = visitor.get(path)
    assert answer.status_code in (404, 307)
    assert "import" not in answer.text


def test_without_a_token_nothing_is_answered(locked: Visitor) -> None:
    """Data is 401, a page leads to the login, and both say how to get in; the files of the login page are open."""
    for path in ("/api/v1/topics", "/api/v1/events", "/openapi.json"):
        answer = locked.get(path)
        assert (401, "Bearer") == (answer.status_code, answer.headers["www-authenticate"])
    answer = locked.get(f"/topics/{TOPIC}?range=7d")
    assert (303, "/login?next=%2Ftopics%2FOrbit%25205%3Frange%3D7d") == (answer.status_code, answer.headers["location"])
    assert 401 == locked.post("/incidents/x/verify").status_code
    assert [200, 200, 200] == [locked.get(path).status_code for path in ("/login", "/health", "/static/frame.css")]


def test_a_bearer_token_opens(locked: Visitor) -> None:
    """The right token in the header opens API and pages, and answers are not kept by caches."""
    answer = locked.get("/api/v1/topics", headers={"authorization": f"Bearer {TOKEN}"})
    assert (200, "no-store") == (answer.status_code, answer.headers["cache-control"])
    assert 200 == locked.get("/", headers={"authorization": f"bearer {TOKEN}"}).status_code


@pytest.mark.parametrize(
    "value", ["Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer ü"]
)
def test_a_wrong_token_does_not_open(locked: Visitor, value: str) -> None:
    """Anything but the exact token is refused."""
    assert 401 == locked.get("/api/v1/topics", headers={"authorization": value.encode("latin-1")}).status_code


def test_signing_in_gives_a_cookie_that_opens(locked: Visitor) -> None:
    """The form sets a cookie out of reach of scripts and other sites, which isn't the token, and leads on."""
    answer = locked.post("/login", data={"token": TOKEN, "next": "/topics/Orbit%205"}, headers={"origin": BASE})
    cookie = answer.headers["set-cookie"]
    assert (303, "/topics/Orbit%205") == (answer.status_code, answer.headers["location"])
    assert all(part in cookie for part in ("HttpOnly", "SameSite=strict", "Path=/", f"{COOKIE}={session_value(TOKEN)}"))
    assert TOKEN not in cookie
    assert 200 == locked.get("/").status_code
    answer = locked.post("/logout", headers={"origin": BASE})
    assert 303 == answer.status_code
    assert 303 == locked.get("/").status_code


def test_a_wrong_sign_in_stays_outside(locked: Visitor) -> None:
    """A wrong token shows the form again, without a cookie and without the token that was tried."""
    answer = locked.post("/login", data={"token": "guess-123"})
    assert 401 == answer.status_code
    assert "set-cookie" not in answer.headers
    assert "guess-123" not in answer.text


@pytest.mark.parametrize("value", ["", "x", f"{COOKIE}=", f"{COOKIE}=wrong", f"{COOKIE}={TOKEN}", f'{COOKIE}="', "\x01=\x02;;;="])
def test_a_wrong_cookie_does_not_open(locked: Visitor, value: str) -> None:
    """A cookie that the page didn't give is no session."""
    assert 401 == locked.get("/api/v1/topics", headers={"cookie": value}).status_code


def test_guessing_is_slowed_down(locked: Visitor) -> None:
    """After ten wrong tokens one address has to wait, even with the right one; a session goes on."""
    locked.post("/login", data={"token": TOKEN})
    for _ in range(10):
        assert 401 == locked.get("/api/v1/topics", headers={"authorization": "Bearer no"}).status_code
    answer = locked.get("/api/v1/topics", headers={"authorization": f"Bearer {TOKEN}"})
    assert (429, "60") == (answer.status_code, answer.headers["retry-after"])
    assert 429 == locked.post("/login", data={"token": TOKEN}).status_code
    assert 200 == locked.get("/api/v1/topics").status_code


def test_attempts_are_forgotten_after_a_minute_and_bounded() -> None:
    """The pause ends by itself, one address doesn't block another, and memory is bounded."""
    now = [0.0]
    attempts = Attempts(lambda: now[0])
    for _ in range(12):
        attempts.wrong("a")
    assert attempts.blocked("a")
    assert not attempts.blocked("b")
    for number in range(2_000):
        attempts.wrong(f"c{number}")
    assert 1_000 == len(attempts._wrong)
    now[0] = 61.0
    assert not attempts.blocked("c1999")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.1.5", "example.org", "127.0.0.1.nip.io", "169.254.1.1"])
def test_binding_beyond_loopback_needs_a_token(host: str) -> None:
    """Without a token such an address is refused with what to set; an empty token is none."""
    for token in (None, SecretStr(""), SecretStr("  ")):
        with pytest.raises(SettingsError, match="MOODSTREAM_WEB__TOKEN"):
            check_bind(WebSettings(host=host, token=token))
    check_bind(WebSettings(host=host, token=SecretStr(TOKEN)))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "localhost", "::1", "[::1]"])
def test_loopback_needs_no_token(host: str) -> None:
    """This machine alone can reach these addresses."""
    assert is_loopback(host)
    check_bind(WebSettings(host=host))


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/topics/a?range=7d", "/topics/a?range=7d"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\r\nset-cookie: x", "/"),
        ("", "/"),
    ],
)
def test_a_login_leads_to_this_page_only(target: str, path: str) -> None:
    """Only a path of this page is followed after the login."""
    assert path == local_path(target)


def test_an_error_of_the_page_says_nothing_of_its_inside(store: SqliteStore) -> None:
    """An unexpected error is a plain 500 with the headers, and no trace of the code."""

    def broken() -> dict[str, object]:
        raise RuntimeError("a secret of the inside")

    answer = Visitor(app_over(store, status=broken)).get("/")
    assert 500 == answer.status_code
    assert "secret" not in answer.text
    assert CONTENT_POLICY == answer.headers["content-security-policy"]
