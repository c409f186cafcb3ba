"""Which posts stand for a rise."""

from __future__ import annotations

from dataclasses import replace

from streams import ANGRY, START, post

from pipeline.drivers import Sample, decompose
from pipeline.evidence import choose, text_hash
from pipeline.records import ScoredPost


def chosen(posts: list[ScoredPost], negatives: bool = True) -> list[str]:
    window = Sample.of(posts, negatives=negatives)
    before = Sample.of([post(9_000 + n, START, 0.1, f"nice tea {n}") for n in range(20)], negatives=negatives)
    return [item.id for item in choose(window, decompose(window, before, 1.0), negatives=negatives)]


def angry(count: int, author: str | None = None) -> list[ScoredPost]:
    return [post(n, START + n, 0.9, f"{ANGRY[n % 6]} {'abcdefghij'[n % 10]}{n}", author=author) for n in range(count)]


def test_five_posts_by_five_authors() -> None:
    """A rise of many posts is shown by five, each from another author and with another text, all of them negative."""
    posts = [*angry(40), *(post(500 + n, START + n, 0.05, f"lovely tea number{n}") for n in range(40))]
    found = chosen(posts)
    by_id = {item.id: item for item in posts}
    assert 5 == len(set(found))
    assert 5 == len({by_id[name].post.author for name in found})
    assert {0.9} == {by_id[name].score.p_negative for name in found}


def test_one_author_has_one_place() -> None:
    """Of an author who writes everything, one post is shown."""
    assert 1 == len(chosen(angry(20, author="h1")))


def test_copies_have_one_place() -> None:
    """A hundred copies of one text by a hundred accounts are one quote."""
    copies = [post(n, START + n, 0.9, f"do not buy the kettle from this shop it leaks{'!' * (n % 7)}") for n in range(30)]
    others = [post(100 + n, START + n, 0.9, f"{ANGRY[n % 6]} {n}{n}") for n in range(6)]
    found = chosen(copies + others)
    assert 1 == len([name for name in found if name in {item.id for item in copies}])
    assert 5 == len(found)


def test_the_typical_comes_before_the_extreme() -> None:
    """A post in the common words is shown, one with words of its own and the highest probability is not."""
    usual = [post(n, START + n, 0.8, f"{'abcdefghij'[n % 10]}{n} kettle w{n} leaks v{n} table u{n}") for n in range(30)]
    extreme = post(99, START + 99, 1.0, "apocalyptic horrendous catastrophe beyond imagination")
    assert extreme.id not in chosen([*usual, extreme])


def test_the_order_of_the_posts_does_not_matter_to_ties() -> None:
    """Posts that are equally typical are taken by id, so the choice is the same every time."""
    posts = [post(n, START, 0.9, f"kettle leaks again today {'abcdefghijklmnop'[n]}") for n in range(16)]
    assert chosen(posts) == chosen(posts)


def test_weak_posts_fill_the_places_that_are_left() -> None:
    """When fewer than five posts are negative, others fill the places rather than none."""
    posts = [*angry(2), *(post(500 + n, START + n, 0.3, f"cup{n} so w{n} so v{n}") for n in range(10))]
    found = chosen(posts)
    assert 5 == len(found)
    assert {posts[0].id, posts[1].id} <= set(found)


def test_posts_without_a_score_stand_only_for_volume() -> None:
    """For a rise of volume a post without a score can be shown."""
    posts = [replace(item, score=None) for item in angry(8)]
    assert 5 == len(chosen(posts, negatives=False))


def test_a_hash_knows_the_text() -> None:
    """One letter makes another hash; lone surrogates are fine."""
    assert text_hash("tea") != text_hash("tee")
    assert 16 == len(text_hash("\ud800"))
