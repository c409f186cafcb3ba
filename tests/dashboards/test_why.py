"""Which words carry a score: by the API and as a page, for stored posts only, loaded when somebody asks."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from dashboards_visitor import Visitor, app_over
from seeded import NOW, TOPIC, plain

from consumers.stores.sqlite import SqliteStore
from dashboards.wording import weighed
from pipeline.records import Explanation, WordWeight


@pytest.fixture
def post_id(store: SqliteStore) -> str:
    """The newest scored post."""
    return next(item.post.id for item in store.posts(TOPIC, 0, NOW, 50) if item.score)


def test_the_api_gives_weights_that_add_up(visitor: Visitor, store: SqliteStore, post_id: str) -> None:
    """Each word stands where it says, and base and weights are the total."""
    found = visitor.get("/api/v1/explain", params={"id": post_id, "of": "negative"}).json()
    assert "exact" == found["method"]
    assert found["total"] == pytest.approx(found["base"] + sum(word["weight"] for word in found["words"]), abs=0.005)
    assert found["text"].split() == [found["text"][word["start"] : word["end"]] for word in found["words"]]
    assert found["text"] == store.get([post_id])[post_id].post.text


def test_the_page_marks_words_and_lists_them(visitor: Visitor, post_id: str) -> None:
    """The text is whole, some of its words are marked, each word has its weight, and the posts of other pages lead here."""
    page = visitor.get("/why", params={"id": post_id, "of": "negative"}).text
    assert '<mark class="word ' in page
    assert "Which words make it negative?" in page
    assert "style=" not in page
    links = re.findall(r'href="(/why\?id=[^"]+)"', visitor.get(f"/topics/{TOPIC}").text)
    assert links
    assert 200 == visitor.get(links[0].replace("&amp;", "&")).status_code


def test_what_can_not_be_explained_says_why(visitor: Visitor, store: SqliteStore, post_id: str) -> None:
    """Unknown post: 404. Unknown figure: 404 with the nearest. A process without a model: 503, and no page offers it."""
    assert 404 == visitor.get("/why", params={"id": "nowhere:1"}).status_code
    wrong = visitor.get("/api/v1/explain", params={"id": post_id, "of": "angr"})
    assert (404, True) == (wrong.status_code, "did you mean 'anger'" in wrong.json()["detail"])
    without = Visitor(app_over(store, explains=False))
    assert 503 == without.get("/api/v1/explain", params={"id": post_id}).status_code
    assert "/why?id=" not in without.get(f"/topics/{TOPIC}").text


def test_a_post_without_a_score_is_no_error_of_the_page(empty: SqliteStore) -> None:
    """A language that the model doesn't cover: 422 with the reason."""
    (item,) = plain(["Das ist gut"], TOPIC, NOW)
    empty.write([replace(item, score=None)])
    answer = Visitor(app_over(empty)).get("/api/v1/explain", params={"id": item.post.id})
    assert 422 == answer.status_code
    assert "no score" in answer.json()["detail"]


def test_marks_grow_with_the_weight() -> None:
    """The largest weight has the strongest mark, half of it the middle one, a tenth none; the pieces joined are the text."""
    text = "very bad day it was"
    words = [
        WordWeight(m.group(), m.start(), m.end(), w) for m, w in zip(re.finditer(r"\S+", text), (0.5, 1, -0.4, 0.1, -0.9), strict=True)
    ]
    found = list(weighed(Explanation("negative", 0.9, "m@1", "exact", 0.0, 0.0, words, len(text), text)))
    assert text == "".join(piece for piece, _ in found)
    assert ["up2", "up3", "down2", "", "down3"] == [mark for piece, mark in found if piece.strip()]
