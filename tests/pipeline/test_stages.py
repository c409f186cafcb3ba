"""The way of a post through the stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stand_ins import FreeClassifier

from pipeline.errors import ModelError
from pipeline.records import DAY, Post, Rejected, Score, to_ms
from pipeline.settings import LimitSettings, TopicSettings
from pipeline.stages import Context, Line, Matched, admit, match_topics, process, process_posts, score
from pipeline.text import LINK, author_hash
from pipeline.topics import Matcher

NOW = to_ms("2026-11-01T12:00:00Z")
TEA = TopicSettings(name="tea", phrases=("tea",))
BAHN = TopicSettings(name="bahn", phrases=("bahn",), languages=("de",), language="de")


class Fragile(FreeClassifier):
    """A model that raises on a batch with one of the words, and answers NaN for "nan"."""

    def __init__(self, raises: frozenset[str] = frozenset({"crash"}), at_most: int = 1_000) -> None:
        super().__init__()
        self.calls = 0
        self._raises = raises
        self._at_most = at_most

    def score(self, texts: Sequence[str]) -> list[Score]:
        self.calls += 1
        if len(texts) > self._at_most:
            raise MemoryError
        if any(self._raises & set(text.split()) for text in texts):
            raise RuntimeError("can't read this")
        return [replace(s, valence=float("nan")) if "nan" in text else s for s, text in zip(super().score(texts), texts, strict=True)]


def context(model: FreeClassifier | None = None) -> Context:
    return Context(Matcher([TEA, BAHN]), model or FreeClassifier(), b"key", LimitSettings())


def post(n: int, text: str = "I really like this tea", **changes: object) -> Post:
    return replace(Post("x", str(n), NOW - 1_000, text, lang="en", author="anna"), **changes)  # type: ignore[arg-type]


def matched(*texts: str) -> list[Matched]:
    return [Matched(post(i, text), ("tea",), NOW) for i, text in enumerate(texts)]


def test_a_record_goes_all_the_way() -> None:
    """JSON in, a scored post out: topics, language, hashed author, masked address, time of arrival, weight 1."""
    raw = orjson.dumps(
        {
            "platform": "x",
            "post_id": "1",
            "created_at": "2026-11-01T10:00:00Z",
            "text": "This tea is great, write to a@b.org",
            "author": "@Anna",
        }
    )
    done = process([Line("posts:1", raw, NOW - 5_000)], context(), now=NOW, live=False)
    (item,) = done.scored
    assert ([], 0, 0) == (done.rejected, done.unmatched, done.clamped)
    assert ("This tea is great, write to [email]", "en") == (item.post.text, item.post.lang)
    assert author_hash(b"key", "x", "anna") == item.post.author
    assert (("tea",), NOW, NOW - 5_000, 1.0) == (item.topics, item.scored_at, item.ingested_at, item.weight)
    assert item.score is not None
    assert "free@1" == item.score.model


def test_every_record_is_accounted_for() -> None:
    """Scored, rejected and unmatched together are what came in."""
    lines = [
        b'{"platform":"x","post_id":"%d","created_at":"2026-11-01T10:00:00Z","text":"%s"}' % (i, text)
        for i, text in enumerate((b"my tea", b"my coffee", b"", b"die Bahn kommt wieder nicht", b"the Bahn is late once again"))
    ]
    done = process([Line(f"posts:{i}", line, NOW) for i, line in enumerate([*lines, b"junk"])], context(), now=NOW, live=True)
    assert ["0", "3"] == [item.post.post_id for item in done.scored]
    assert ["missing_text", "bad_json"] == [bad.reason.split(":")[0] for bad in done.rejected]
    assert 2 == done.unmatched


def test_a_source_s_own_dead_letters_pass_through() -> None:
    """What a source could not read goes to the dead letters beside the good posts, which keep their own times of arrival."""
    bad = Rejected("bad_row: short", b"x", "f:1", NOW)
    done = process_posts([post(1), bad, post(2)], context(), now=NOW, arrived=[NOW - 2, NOW - 1, NOW])
    assert [bad] == done.rejected
    assert [NOW - 2, NOW] == [item.ingested_at for item in done.scored]


def test_impossible_times_are_clamped_to_the_arrival_and_counted() -> None:
    """1970 and tomorrow become the time of arrival; two minutes ahead and a stand-in time of an undated post stay."""
    times = (0, NOW + DAY, NOW + 120_000, NOW - DAY)
    posts = [(post(i, created_at=at), NOW) for i, at in enumerate(times)] + [(post(9, created_at=NOW + DAY, dated=False), NOW)]
    admitted, clamped = admit(posts, b"key")
    assert [NOW, NOW, NOW + 120_000, NOW - DAY, NOW + DAY] == [item.created_at for item, _ in admitted]
    assert 2 == clamped


def test_what_is_not_changed_is_kept() -> None:
    """Admission and language change their own fields and no other, in a post that has all of them."""
    full = Post(
        "x", "1", NOW, "this tea is bad, a@b.org", "edit", "reply", None, "anna", "2", "3", "https://example.org", 0.5, 7, "feed", True,
        ("tea",),
    )  # fmt: skip
    admitted, _ = admit([(full, NOW)], b"key")
    (found,) = match_topics(admitted, Matcher([TEA]))
    expected = replace(full, text="this tea is bad, [email]", author=author_hash(b"key", "x", "anna"), lang="en")
    assert expected == found.post


def test_admission_is_the_same_the_second_time() -> None:
    """A post that was admitted before (redelivered, read from a file again) is admitted as it is."""
    once, _ = admit([(post(1, "call +1 555 123 4567"), NOW)], b"key")
    assert (once, 0) == admit(once, b"key")


def test_the_language_filter_asks_the_text_when_the_source_is_silent() -> None:
    """Without a language of the source the text's own decides: a German topic gets the German post and not the English one."""
    german = post(1, "Die Bahn hat schon wieder zwei Stunden Verspätung", lang=None)
    english = post(2, "The Bahn is late again and I have to wait", lang=None)
    short = post(3, "Bahn!", lang=None)
    found = match_topics([(item, NOW) for item in (german, english, short)], Matcher([BAHN]))
    assert [("1", "de"), ("3", "de")] == [(item.post.post_id, item.post.lang) for item in found]


def test_a_language_that_the_model_does_not_cover_gets_no_score() -> None:
    """Stored without a score, never with a guess; a delete is never scored either and needs no topic."""
    french = post(1, "du thé, tea", lang="fr")
    gone = post(2, "", event="delete")
    done = process_posts([french, gone, post(3)], context(), now=NOW)
    assert [None, None, "free@1"] == [item.score and item.score.model for item in done.scored]
    assert [("tea",), (), ("tea",)] == [item.topics for item in done.scored]


def test_the_model_gets_clean_texts_of_bounded_length() -> None:
    """Links and mentions are words to the model, and it gets 4,000 code points at most; the stored text is the original."""
    seen: list[str] = []

    class Listening(FreeClassifier):
        def score(self, texts: Sequence[str]) -> list[Score]:
            seen.extend(texts)
            return super().score(texts)

    text = "tea https://example.org/x @anna ＯＫ" + " long" * 2_000
    (item,) = process_posts([post(1, text)], context(Listening()), now=NOW).scored
    assert item.post.text == text
    assert [4_000] == [len(one) for one in seen]
    assert seen[0].startswith(f"tea {LINK} @user OK long")


def test_a_post_that_breaks_the_model_is_found() -> None:
    """Of 64 posts the two that make the model raise are dead letters, in a few calls; all others are scored as if alone."""
    texts = [f"tea {i}" for i in range(64)]
    texts[5], texts[40] = "tea crash", "another crash"
    model = Fragile()
    good, bad = score(matched(*texts), model, now=NOW)
    assert 62 == len(good)
    assert {"x:5", "x:40"} == {item.where for item in bad}
    assert all(item.reason.startswith("model_error: ") and b'"post_id":' in item.raw for item in bad)
    assert model.calls < 30
    assert [FreeClassifier().score(["tea 6"])[0]] == [item.score for item in good if item.post.post_id == "6"]


def test_a_model_that_is_short_of_memory_gets_smaller_batches() -> None:
    """Out of memory on more than 10 texts at once: halved until it goes, and no post is lost."""
    good, bad = score(matched(*(f"tea {i}" for i in range(100))), Fragile(at_most=10), now=NOW)
    assert ([str(i) for i in range(100)], []) == ([item.post.post_id for item in good], bad)


def test_a_score_that_is_not_finite_is_never_stored() -> None:
    """NaN from the model makes a dead letter of that post alone."""
    good, bad = score(matched("tea", "nan tea", "more tea"), Fragile(), now=NOW)
    assert ["0", "2"] == [item.post.post_id for item in good]
    assert ["model_nan"] == [item.reason.split(":")[0] for item in bad]


def test_a_model_that_fails_on_everything_stops_the_work() -> None:
    """If each of many posts fails, the model is broken: an error, not a batch of dead letters."""
    with pytest.raises(ModelError, match="free@1 fails on each of 20 posts"):
        score(matched(*["crash"] * 20), Fragile(), now=NOW)


@given(st.lists(st.sampled_from(["tea", "tea crash", "nan tea", "coffee", ""]), max_size=12))
def test_no_post_is_lost_or_doubled(texts: list[str]) -> None:
    """Whatever fails: each post is in exactly one place, and the good ones keep their order."""
    posts = [post(i, text) for i, text in enumerate(texts)]
    if len([text for text in texts if "tea" in text]) >= 8 and not {"tea"} & set(texts):
        return
    done = process_posts(posts, context(Fragile()), now=NOW)
    assert len(posts) == len(done.scored) + len(done.rejected) + done.unmatched
    assert [i for i, text in enumerate(texts) if text == "tea"] == [int(item.post.post_id) for item in done.scored]
