"""Nothing of a post, a topic, an incident or an address is ever taken for markup or code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote

import pytest
from browser_window import Browser, served
from seeded import NOW, plain, seeded_store, spike
from selenium.webdriver.remote.webdriver import WebDriver

from consumers.stores.sqlite import SqliteStore
from pipeline.records import Driver, Evidence, Incident, Score, ScoredPost

PAYLOADS = (
    "<script>alert(1)</script>",
    "<SCRIPT SRC=data:,alert(2)></SCRIPT>",
    "<scr<script>ipt>alert(3)</scr</script>ipt>",
    "</title><script>alert(4)</script>",
    "</script><script>alert(5)</script>",
    "</textarea><script>alert(6)</script>",
    "</style><script>alert(7)</script>",
    "</template><script>alert(8)</script>",
    "--><script>alert(9)</script><!--",
    "]]><script>alert(10)</script>",
    '"><script>alert(11)</script>',
    "'><script>alert(12)</script>",
    "<img src=x onerror=alert(13)>",
    '<img src="x" onerror="alert(14)">',
    "<img/src=x/onerror=alert(15)>",
    "<IMG SRC=javascript:alert(16)>",
    '"><img src=x onerror=alert(17)>',
    "'><img src=x onerror=alert(18)>",
    "<svg onload=alert(19)>",
    "<svg/onload=alert(20)//",
    "<svg><script>alert(21)</script></svg>",
    "<svg><animate onbegin=alert(22) attributeName=x dur=1s>",
    "<svg><a xlink:href=javascript:alert(23)><text y=20>x</text></a></svg>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(24)>",
    "<body onload=alert(25)>",
    "<iframe src=javascript:alert(26)></iframe>",
    '<iframe srcdoc="<script>parent.alert(27)</script>"></iframe>',
    "<object data=javascript:alert(28)>",
    "<embed src=javascript:alert(29)>",
    "<base href=//evil.example/>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(30)'>",
    "<form action=javascript:alert(31)><button autofocus>x</button></form>",
    "<input autofocus onfocus=alert(32)>",
    "<select autofocus onfocus=alert(33)>",
    "<details open ontoggle=alert(34)>",
    "<video><source onerror=alert(35)></video>",
    "<audio src=x onerror=alert(36)>",
    "<marquee onstart=alert(37)>",
    "<a href=javascript:alert(38) autofocus>x</a>",
    "<a href='data:text/html,<script>alert(39)</script>'>x</a>",
    "<style>@import'//evil.example/x.css';</style>",
    "<div style=background:url(//evil.example)>",
    "<x contenteditable onbeforeinput=alert(40) autofocus>",
    '" onmouseover="alert(41)" autofocus onfocus="alert(42)" x="',
    "' onmouseover='alert(43)' autofocus onfocus='alert(44)' x='",
    "` onmouseover=alert(45) `",
    "x onfocus=alert(46) autofocus tabindex=1",
    "javascript:alert(47)",
    "java\tscript:alert(48)",
    "data:text/html,<script>alert(49)</script>",
    "{{7*7}}{{constructor.constructor('alert(50)')()}}",
    "{% raw %}<script>alert(51)</script>{% endraw %}",
    "${alert(52)}",
    "#{alert(53)}",
    "<!--<img src='--><img src=x onerror=alert(54)//'>",
    "<noscript><p title='</noscript><img src=x onerror=alert(55)>'>",
    "&lt;script&gt;alert(56)&lt;/script&gt;",
    "&#60;img src=x onerror=alert(57)&#62;",
    "%3Cscript%3Ealert(58)%3C/script%3E",
    "\\u003cscript\\u003ealert(59)\\u003c/script\\u003e",
    "\u2028alert(60)\u2029<script>alert(60)</script>",
    "\u202e>tpircs/<)16(trela>tpircs<",
    "<ſcript>alert(62)</ſcript>",
    "＜script＞alert(63)＜/script＞",
    "<b>bold</b><i onclick=alert(64)>x",
)
ADDRESSES = (
    "javascript:alert(1)",
    "JaVaScRiPt:alert(2)",
    "data:text/html,<script>alert(3)</script>",
    "vbscript:x",
    "//evil.example",
    'https://ok.example/"onclick=alert(4)',
    " https://ok.example",
    "https:///x",
    "https://ok.example/fine?a=1&b=2",
)
TRUE_ADDRESS = ADDRESSES[-1]
# Elements, attributes and addresses that none of our pages has: if one is there, a payload became markup.
FOREIGN = """
[...document.querySelectorAll('img, iframe, object, embed, base, video, audio, math, marquee, x, style:not(#plotly\\\\.js-style-global)')]
  .map((e) => e.outerHTML.slice(0, 90))
  .concat([...document.querySelectorAll('*')].flatMap((e) => [...e.attributes]).filter((a) => /^on/i.test(a.name)).map((a) => a.name))
  .concat([...document.querySelectorAll('[href], [src], [action]')].map((e) => e.href ?? e.src ?? e.action)
    .filter((u) => !(u.startsWith(location.origin + '/') || u === 'https://ok.example/fine?a=1&b=2')))
"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, SqliteStore]]:
    """A store with every payload as text, topic, platform, id, language, label, model, sentence and driver."""
    store = seeded_store(tmp_path_factory.mktemp("hostile") / "hostile.db", days=0.1)
    known = spike(store)
    for number, payload in enumerate(PAYLOADS):
        (item,) = plain(
            [f"Orbit {payload} photos"], payload, NOW - number * 1_000, platform=payload, url=ADDRESSES[number % len(ADDRESSES)]
        )
        post = replace(item.post, post_id=payload, lang=payload, author=payload, source=payload, parent_id=payload)
        assert isinstance(item.score, Score)
        score = replace(item.score, labels=(payload,), model=payload)
        stored = ScoredPost(post, (payload,), score, NOW, NOW)
        store.write([stored])
        store.save(_incident(known, number, payload, stored.id))
    with served(store) as address:
        yield address, store
    store.close()


def _incident(known: Incident, number: int, payload: str, post_id: str) -> Incident:
    kinds = ("term", "platform", "author", payload)
    drivers = (*(Driver(kind, payload, 1.0, 1) for kind in kinds), Driver("cluster", post_id, 1.0, 1))
    return replace(
        known,
        id=f"{number:016x}",
        topic=payload,
        sentence=payload,
        model=payload,
        drivers=drivers,
        emotions={payload: 0.5},
        emotions_before={payload: 0.4},
        evidence=(Evidence(post_id, payload, 0.9),),
        onset=known.onset + number,
    )


@pytest.fixture
def victim(driver: WebDriver, hostile: tuple[str, SqliteStore]) -> Iterator[Browser]:
    """A window on the pages of the hostile store."""
    found = Browser(driver, hostile[0])
    found.size(1280)
    driver.get_log("browser")
    yield found
    found.block("")


EXPECTED = ("the server responded with a status of 4", "ERR_BLOCKED_BY_CLIENT")  # an unknown address; what `block` blocked


def look(browser: Browser, path: str) -> list[object]:
    """What ran, what is foreign and what the policy had to refuse on a page: nothing, if the texts stayed texts."""
    browser.open(path)
    logged = [message for message in browser.complaints() if not any(part in message for part in EXPECTED)]
    return [*browser.run("window.__ran"), *browser.run(FOREIGN), *logged]


def test_there_are_enough_payloads() -> None:
    """At least fifty different ones."""
    assert len(set(PAYLOADS)) >= 60


def test_the_watch_sees_what_runs(victim: Browser) -> None:
    """The test's own trap works: a call is noticed, and so is a foreign element."""
    victim.open("/health")
    victim.driver.execute_script("alert(1); document.body.append(document.createElement('img'))")
    assert [["alert", 1]] == victim.run("window.__ran")
    assert 1 == len(victim.run(FOREIGN))


def test_lists_show_payloads_as_text(victim: Browser) -> None:
    """Overview, search and API page with all payloads on them."""
    assert [] == look(victim, "/")
    assert PAYLOADS[0] in victim.run("document.body.textContent")
    assert [] == look(victim, "/search?q=photos")
    assert PAYLOADS[0] in victim.run("document.body.textContent")
    assert [] == look(victim, "/api")
    assert victim.run("[...document.querySelectorAll('a.out')].every(a => a.rel === 'noopener nofollow noreferrer')")


@pytest.mark.parametrize("part", range(4))
def test_each_payload_stays_text_on_every_page(victim: Browser, part: int) -> None:
    """As topic page, incident page with verification, search and unknown address: nothing runs, nothing becomes markup."""
    victim.block("*plotly.min.js*" if part else "")  # 0.3 s a page; one part in four has the chart too
    for number, payload in list(enumerate(PAYLOADS))[part::4]:
        name = quote(payload, safe="")
        assert [] == look(victim, f"/topics/{name}"), payload
        assert payload == victim.run("document.querySelector('h1').textContent")
        assert [] == look(victim, f"/incidents/{number:016x}"), payload
        assert payload.strip() in victim.run("document.querySelector('.sentence').textContent")
        victim.driver.find_element("css selector", "#verify button").click()
        victim.wait("document.querySelector('#verification').children.length > 0")
        assert [] == [*victim.run("window.__ran"), *victim.run(FOREIGN)], payload
        assert [] == look(victim, f"/search?q={name}&topic="), payload
        assert payload == victim.run("document.querySelector('#q').value")
        assert [] == look(victim, f"/nothing/{name}?range={name}"), payload
        assert [] == look(victim, f"/why?id={quote(f'{payload}:{payload}', safe='')}&of=anger"), payload
        assert "photos" in victim.run("document.querySelector('.explained').textContent"), payload
        assert [] == look(victim, f"/why?id={name}&of={quote(payload[:20], safe='')}"), payload


def test_payloads_from_the_event_stream_stay_text(victim: Browser, hostile: tuple[str, SqliteStore]) -> None:
    """A new alert is written into the open page as text."""
    _, store = hostile
    victim.open("/search")
    victim.wait("document.querySelector('.pulse').dataset.state === 'live'")
    known = store.incidents(limit=1)[0]
    for number, payload in enumerate((*PAYLOADS[:3], *PAYLOADS[12:15])):
        store.save(replace(known, id=f"new{number}", topic=payload, sentence=payload, onset=known.onset + 1_000 + number))
        victim.wait(f"document.querySelector('.toast p')?.textContent === {quote_js(payload)}")
    assert [] == [*victim.run("window.__ran"), *victim.run(FOREIGN)]


def quote_js(text: str) -> str:
    """A text as a JavaScript literal."""
    return '"' + "".join(f"\\u{ord(char):04x}" for char in text) + '"'


def test_only_web_addresses_become_links(victim: Browser, hostile: tuple[str, SqliteStore]) -> None:
    """Of all addresses that posts bring, only http and https with a host are linked."""
    victim.open("/search?q=photos")
    found = set(victim.run("[...document.querySelectorAll('a.out')].map(a => a.getAttribute('href'))"))
    assert {TRUE_ADDRESS} == found


@pytest.mark.parametrize("name", ["api/v1/topics", "api/v1/incidents", "openapi.json"])
def test_data_is_never_shown_as_a_page(victim: Browser, name: str) -> None:
    """JSON with payloads in it is JSON to the browser."""
    victim.open(f"/{name}")
    assert "application/json" == victim.run("document.contentType")
    assert [] == victim.run("window.__ran")
