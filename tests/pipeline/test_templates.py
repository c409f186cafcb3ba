"""How a message reads in a text message, a chat and a mail, and that words of posts can do no harm there."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from pipeline.records import Notification
from pipeline.templates import LINE, harmless, render

PAGE = "https://mood.example/incidents/aa11"
ACT = "https://mood.example/act/aa11.acknowledge.9.0123"
BODY = (
    "62% negative of 240 posts in the last hour; usual for Monday 09:00 is 18% (of about 90).\n\nWhere the rise comes from:\n"
    f"  term: kettle leaks 70%\n\nIncident aa11; `moodstream verify aa11` recomputes every figure.\n{PAGE}\nacknowledge: {ACT}"
)
MESSAGE = Notification("m1", "aa11", "opened", "ops", "tea: 62% negative, usually 18%", BODY, 1_000)
EVIL = "<script>alert(1)</script> @everyone see [this](https://evil.example/x) *now* `code` <!channel>\x1b[31m"
INCIDENT = {
    "id": "aa11", "severity": "incident", "share": 0.62, "low": 0.55, "high": 0.68, "n": 240.0, "expected": 0.18, "expected_low": 0.1,
    "expected_high": 0.3, "volume_ratio": 2.5, "drivers": [{"kind": "term", "name": "kettle <b>", "share": 0.7, "n": 9}],
    "adjusted": {"share": 0.3, "low": 0.2, "high": 0.4, "n": 80.0, "copies": 160, "bursts": 0, "authors": 0},
    "without": {"kind": "cluster", "name": "x", "removed": 160, "share": 0.2, "low": 0.1, "high": 0.3, "n": 80.0, "normal": True},
    "evidence": [{"text": text, "platform": "net", "created_at": "2026-11-02T09:00:00Z"} for text in (EVIL, "it leaks")],
}  # fmt: skip


class Seen(HTMLParser):
    """Tags, addresses and the text that a reader sees."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_text_message_is_one_line_with_the_way_to_the_page() -> None:
    """At most 160 characters: figures, and the address if both fit."""
    made = render("short", MESSAGE, INCIDENT)
    assert ("", f"tea: 62% negative, usually 18% {PAGE}", False) == (made.title, made.body, made.html)
    long = render("short", replace(MESSAGE, subject="t" * 400), INCIDENT).body
    assert (LINE, True, False) == (len(long), long.endswith(PAGE), "\n" in long)
    assert "tea: 62% nega…" == render("short", MESSAGE, INCIDENT, most=14).body


def test_a_chat_gets_sentence_drivers_quotes_and_links() -> None:
    """In this order; as many quotes as the settings say."""
    made = render("long", MESSAGE, INCIDENT, quotes=1)
    assert "tea: 62% negative, usually 18%" == made.title
    assert made.body.startswith("62% negative of 240 posts")
    assert made.body.index("kettle leaks 70%") < made.body.index("alert(1)") < made.body.index(PAGE) < made.body.index(ACT)
    assert "it leaks" not in made.body
    assert "alert(1)" not in render("long", MESSAGE, INCIDENT, quotes=0).body


@pytest.mark.parametrize(
    ("most", "kept", "gone"),
    [(700, "kettle leaks", "alert(1)"), (330, "usual for Monday", "kettle leaks"), (260, PAGE, "Monday 09:00 is 18%")],
)
def test_a_service_that_takes_little_gets_the_most_important(most: int, kept: str, gone: str) -> None:
    """Quotes go first, then drivers, then the end of the sentence; the links stay."""
    body = render("long", MESSAGE, INCIDENT | {"evidence": [{"text": EVIL * 3, "platform": "x", "created_at": "x"}] * 3}, most=most).body
    assert len(body) <= most
    assert (True, False, True) == (kept in body, gone in body, ACT in body)


@pytest.mark.parametrize("sign", ["@everyone", "https://evil", "<!channel>", "`code`", "*now*", "[this](", "\x1b"])
def test_words_of_posts_do_nothing_in_a_chat(sign: str) -> None:
    """No mention, no link, no mark of emphasis, no control survives."""
    assert sign in EVIL
    assert sign not in harmless(EVIL)
    assert sign not in render("long", MESSAGE, INCIDENT).body


def test_a_mail_is_a_page_whose_words_of_posts_are_only_text() -> None:
    """Figures, drivers, quotes and links that are ours; the subject has no word of a post."""
    made = render("mail", MESSAGE, INCIDENT)
    seen = Seen(made.body)
    assert (True, "tea: 62% negative, usually 18%") == (made.html, made.title)
    assert {"div", "h1", "p", "table", "tr", "td", "ul", "li", "blockquote", "br", "small", "a"} == seen.tags
    assert [PAGE, ACT] == seen.links
    for said in (
        "62% (55%–68%) of 240 posts",
        "30% (20%–40%) of 80 posts",
        "160 copies of one text",
        "kettle <b> 70%",
        "<script>alert(1)</script>",
    ):
        assert said in seen.text
    assert "\x1b" not in made.body


@pytest.mark.parametrize("template", ["short", "long", "mail"])
def test_a_message_without_its_incident_says_what_it_can(template: str) -> None:
    """A digest, a test, and a warning while the store is away have a body of their own."""
    digest = replace(MESSAGE, subject="moodstream: 3 messages that were held back", body="09:00Z  tea: 62%\n09:10Z  cocoa: <9%>")
    made = render(template, digest, {})  # type: ignore[arg-type]
    assert "3 messages" in made.title + made.body
    assert "<9%>" not in made.body
    assert template == "short" or "09:10Z" in made.body
