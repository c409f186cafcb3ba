"""What the pages say, without a browser."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from dashboards_visitor import Visitor, app_over
from seeded import NOW, TOPIC, plain, seeded_store
from streams import START, Bench, stream

from consumers.stores.sqlite import SqliteStore
from dashboards import assets, views
from dashboards.windows import RANGES
from pipeline.records import BIN, DAY, HOUR, MINUTE, Held, Measured, Post, ScoredPost


def test_the_overview_leads_with_what_turned(visitor: Visitor) -> None:
    """The headline names the topic with an open incident, and it is the first row."""
    html = visitor.get("/").text
    assert f'<span class="warm">{TOPIC}</span> has an open incident' in html
    assert TOPIC == re.findall(r'id="topic-\d+">([^<]+)<', html)[0]
    assert 6 == html.count('class="chart share"')


def test_the_overview_has_each_topics_figures(visitor: Visitor, store: SqliteStore) -> None:
    """Share with band, posts and intensity of the last 24 hours are those of the store."""
    html = visitor.get("/").text
    for view in views.overview(store, NOW).topics:
        share = view.now.negative
        assert share is not None
        assert f"{share * 100:.0f}\u202f%" in html
        assert f'data-label="posts">{view.now.volume:,.0f}<' in html


def test_an_empty_store_says_what_to_do(empty: SqliteStore) -> None:
    """The first page of a new installation names the commands that bring posts."""
    visitor = Visitor(app_over(empty))
    html = visitor.get("/").text
    assert all(command in html for command in ("moodstream demo", "moodstream ingest", "moodstream init"))
    assert "moodstream ingest" in visitor.get("/search").text


def test_a_topic_without_posts_has_a_page(empty: SqliteStore) -> None:
    """A topic that was just made known is shown with dashes, not with an error."""
    empty.add_topic("tea")
    html = Visitor(app_over(empty)).get("/topics/tea").text
    assert "No posts yet" in html
    assert "All calm on 1 topic<" in Visitor(app_over(empty)).get("/").text


@pytest.mark.parametrize("name", [*RANGES, "no-such"])
def test_each_range_has_its_page(visitor: Visitor, name: str) -> None:
    """Every range is answered and marked as the current one; an unknown one gives the default."""
    answer = visitor.get(f"/topics/{TOPIC}", params={"range": name})
    current = re.findall(r'<a href="\?range=(\w+)" aria-current="true">', answer.text)
    assert (200, [name if name in RANGES else "24h"]) == (answer.status_code, current)


def test_old_posts_are_shown_where_they_end(empty: SqliteStore) -> None:
    """A topic whose newest post is older than the range ends there, and the page says so."""
    empty.write(plain(["late delivery", "still waiting"], "shoes", NOW - 100 * DAY))
    visitor = Visitor(app_over(empty))
    view = views.topic(empty, "shoes", "24h", NOW)
    assert not view.window.live
    assert 2 == view.now.volume
    assert "until 25 Jul 2026" in visitor.get("/").text


def test_undated_posts_are_in_the_figures_and_the_search(empty: SqliteStore) -> None:
    """Posts without a time of their own count, and the topic page leads to them."""
    item = plain(["runs small"], "dresses")[0]
    post = Post("shop", "1", NOW - HOUR, "runs small", dated=False)
    empty.write([ScoredPost(post, ("dresses",), item.score, NOW, NOW)])
    visitor = Visitor(app_over(empty))
    html = visitor.get("/topics/dresses").text
    assert 'href="/search?topic=dresses"' in html
    assert 1 == views.topic(empty, "dresses", "24h", NOW).now.volume
    assert "no time of its own" in visitor.get("/search?q=small").text


def test_a_topic_page_has_the_chart_as_a_table_too(visitor: Visitor, store: SqliteStore) -> None:
    """Every bucket of the chart is a row of a table, for those who don't see the chart."""
    html = visitor.get(f"/topics/{TOPIC}").text
    table = html[html.index("The same figures as a table") :].split("</table>")[0]
    assert len(views.topic(store, TOPIC, "24h", NOW).points) == table.count('<th scope="row">')


def test_the_incident_page_has_everything_a_person_needs(visitor: Visitor, store: SqliteStore) -> None:
    """Sentence, observed and usual figures, drivers, five quotes with time and platform, timeline and the verify button."""
    incident = store.incidents(TOPIC)[0]
    html = visitor.get(f"/incidents/{incident.id}").text
    assert f"{TOPIC} turned negative" in html
    assert html.count("<blockquote") == 5 == len(incident.evidence)
    for quote in store.get([one.id for one in incident.evidence]).values():
        assert f'<span class="chip strong">{quote.post.platform}</span>' in html
    assert "Usual for this hour" in html
    assert "Words" in html
    assert "Verify every figure" in html
    assert 200 == visitor.get(f"/incidents/{incident.id[:8]}").status_code


def test_the_verify_form_works_without_scripts(visitor: Visitor, store: SqliteStore) -> None:
    """Posting the form gives the page with a row per figure."""
    incident = store.incidents(TOPIC)[0]
    html = visitor.post(f"/incidents/{incident.id}/verify").text
    result = html[html.index('id="verification"') :]
    assert result.count('<th scope="row">') > 15
    assert '<span class="result equal">equal</span>' in result


def test_an_untouched_incident_of_the_detector_is_equal(tmp_path: Path) -> None:
    """What the real detector found and nobody touched since is equal in every figure, on the page and in the API."""
    bench = Bench(tmp_path)
    bench.play(stream(["tea", "coffee"], 34, {"tea": (20, 30)}), START + 34 * BIN, 2 * BIN, START + 19 * BIN)
    incident = bench.store.incidents("tea")[0]
    visitor = Visitor(app_over(bench.store))
    found = visitor.post(f"/api/v1/incidents/{incident.id}/verify").json()
    assert {"equal"} == {found["result"], *(figure["result"] for figure in found["figures"])}
    assert "Every figure is equal." in visitor.post(f"/incidents/{incident.id}/verify").text
    bench.store.close()


def test_an_erased_quote_is_gone_from_the_page(tmp_path: Path) -> None:
    """After an evidence post is erased, neither page nor API has its words, and verify says what changed."""
    store = seeded_store(tmp_path / "erase.db", days=0.2)
    incident = store.incidents(TOPIC)[0]
    quote = store.get([incident.evidence[0].id])[incident.evidence[0].id]
    visitor = Visitor(app_over(store))
    assert quote.post.text in visitor.get(f"/api/v1/incidents/{incident.id}").json()["evidence"][0]["text"]
    store.erase(quote.post.platform, quote.post.post_id, NOW)
    assert 4 == len(visitor.get(f"/api/v1/incidents/{incident.id}").json()["evidence"])
    html = visitor.get(f"/incidents/{incident.id}").text
    assert "This post was erased" in html
    assert 4 == html.count("<blockquote dir")
    figures = {one["name"]: one for one in visitor.post(f"/api/v1/incidents/{incident.id}/verify").json()["figures"]}
    assert ("changed", "1 post erased") == (figures["n"]["result"], figures["n"]["why"])
    store.close()


def test_a_pipeline_incident_has_a_page(empty: SqliteStore, store: SqliteStore) -> None:
    """An incident of no topic is shown without a trend."""
    known = store.incidents(TOPIC)[0]
    empty.save(replace(known, topic="*", severity="pipeline", rule="pipeline", evidence=()))
    html = Visitor(app_over(empty)).get(f"/incidents/{known.id}").text
    assert "Something is wrong in the pipeline" in html
    assert "Negative share around it" not in html
    assert "/topics/" not in html


def test_a_pipeline_incident_names_what_it_held_back(empty: SqliteStore, store: SqliteStore) -> None:
    """The headline says what happened; the alerts that it explains are listed with their topics, on the page and in the API."""
    known = replace(store.incidents(TOPIC)[0], evidence=())
    held = (Held("<b>tea</b>", "share", NOW - HOUR, NOW - 30 * MINUTE),)
    empty.save(replace(known, topic="*", severity="pipeline", rule="model", cause="a@1 → b@2", held=held))
    visitor = Visitor(app_over(empty))
    html = visitor.get(f"/incidents/{known.id}").text
    assert '<h1 dir="auto">Another model scores the posts</h1>' in html
    assert "Held back" in html
    assert "&lt;b&gt;tea&lt;/b&gt;</a>" in html
    found = visitor.get(f"/api/v1/incidents/{known.id}").json()
    assert ("a@1 → b@2", "<b>tea</b>") == (found["cause"], found["held"][0]["topic"])


def test_an_incident_of_a_rule_is_named_by_it(empty: SqliteStore, store: SqliteStore) -> None:
    """Headline and API say which rule, and what it saw."""
    measured = Measured("too loud", "volume", "", "above", 100.0, 240.0, 240.0, NOW - HOUR, NOW, 0)
    known = replace(store.incidents(TOPIC)[0], evidence=(), rule="rule too loud", measured=measured)
    empty.add_topic(TOPIC)
    empty.save(known)
    visitor = Visitor(app_over(empty))
    assert f"{TOPIC}: rule too loud</h1>" in visitor.get(f"/incidents/{known.id}").text
    found = visitor.get(f"/api/v1/incidents/{known.id}").json()["measured"]
    assert ("volume", 240.0, 100.0) == (found["kind"], found["value"], found["limit"])


def test_search_marks_the_words(visitor: Visitor) -> None:
    """The words of the question are marked in the texts, and the count is told."""
    html = visitor.get("/search", params={"q": '"wiped my photos"', "topic": TOPIC}).text
    assert "<mark>wiped</mark>" in html
    assert "newest first" in html
    assert '<option value="Orbit 5" selected>' in html


def test_a_search_without_result_says_so(visitor: Visitor) -> None:
    """No post is not an error; the page says what to try."""
    html = visitor.get("/search", params={"q": "zzzyx", "since": "7d"}).text
    assert "0 posts" in html
    assert "Try fewer words" in html


@pytest.mark.parametrize(
    ("path", "code", "part"),
    [
        ("/topics/Orbitt", 404, "did you mean &#39;Orbit 5&#39;?"),
        ("/incidents/zzz", 404, "unknown incident"),
        ("/nothing", 404, "Not Found"),
        ("/search?q=a&topic=Lumabrw", 404, "did you mean &#39;Lumabrew&#39;?"),
        ("/search?q=a&since=soon", 422, "is not a time"),
        ("/search?q=" + "a" * 600, 422, "at most 500"),
    ],
)
def test_errors_are_pages_with_a_way_on(visitor: Visitor, path: str, code: int, part: str) -> None:
    """A wrong address says what was meant, and leads back to the topics."""
    answer = visitor.get(path)
    assert code == answer.status_code
    assert part in answer.text
    assert '<a href="/">To the topics</a>' in answer.text


def test_the_api_page_lists_every_route(visitor: Visitor) -> None:
    """What is documented is what there is."""
    html = visitor.get("/api").text
    for path in visitor.get("/openapi.json").json()["paths"]:
        assert f"<code>{path}</code>" in html


def test_files_may_be_kept_for_ever_by_their_address(visitor: Visitor) -> None:
    """The address of a file carries a hash of its content, so browsers may keep it; plotly.js is compressed once."""
    html = visitor.get(f"/topics/{TOPIC}").text
    for path in re.findall(r'(?:src|href)="(/static/[^"]+)"', html):
        answer = visitor.get(path)
        assert (200, assets.FOREVER) == (answer.status_code, answer.headers["cache-control"])
        assert "gzip" == answer.headers["content-encoding"]
    assert "/static/plotly.min.js?v=" in html
    assert len(assets.packed(assets.PLOTLY)) < 2_000_000 < len(visitor.get("/static/plotly.min.js").content)


def test_many_topics_are_cut_with_a_word(empty: SqliteStore) -> None:
    """The overview shows the largest topics and says how many more there are."""
    empty.write(
        [item for number in range(views.MOST_TOPICS + 5) for item in plain([f"text {number}"], f"topic {number}", platform=f"p{number}")]
    )
    html = Visitor(app_over(empty)).get("/").text
    assert "5 more topics" in html
    assert views.MOST_TOPICS == html.count('role="rowheader"')


def test_a_blocked_store_is_shown(store: SqliteStore) -> None:
    """When the service takes no posts, the status line says why."""
    html = Visitor(app_over(store, status=lambda: {"model": None, "blocked": "disk full"})).get("/").text
    assert "the store takes no posts: disk full" in html
