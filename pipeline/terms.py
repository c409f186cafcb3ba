"""The words of a text, for naming what a rise of negative posts is about."""

from __future__ import annotations

import re

from pipeline.trends import ADDRESS

WORD = re.compile(r"#?[^\W\d_](?:[\w'-]*\w)?")
# Scripts without spaces between words: Han, kana, Hangul is spaced, Thai is not.
UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\u0e00-\u0e7f]+")
SHORTEST = 3  # letters; shorter ones are mostly function words in spaced scripts
LONGEST = 40

# Function words of English; in other languages the comparison with the time before leaves common words out by itself.
_ENGLISH = """
about above after again against all also although always am among and another any anyone anything are aren't around because been before
being below between both but can can't cannot come could couldn't did didn't does doesn't doing don't done down during each even ever
every everyone everything few for from further get gets getting give goes going gone got had hadn't has hasn't have haven't having her
here hers herself him himself his how however i'd i'll i'm i've into isn't it's its itself just know last less let let's like made make
makes many may maybe might mine more most much must myself need never nor not nothing now off often once one ones only onto other others
our ours ourselves out over own put quite rather really said same say says see she she's should shouldn't since some someone something
still such take than that that's the their theirs them themselves then there there's these they they'd they'll they're they've thing
things think this those though through thus too under until upon use used very via want was wasn't way we'd we'll we're we've well were
weren't what what's when where whether which while who whom whose why will with within without won't would wouldn't yet you you'd you'll
you're you've your yours yourself
"""
STOP_WORDS = frozenset(_ENGLISH.split())


def words(text: str) -> list[str]:
    """The words of a text in lower case, in order: addresses and mentions left out, unspaced scripts as pairs of signs."""
    plain = text.casefold()
    if "@" in plain or "http" in plain or "www." in plain:
        plain = ADDRESS.sub(" ", plain)
    found = [word.removesuffix("'s")[:LONGEST] for word in WORD.findall(plain.replace("’", "'"))]
    if plain.isascii():
        return found
    return [part for word in found for part in _pairs(word)]


def _pairs(word: str) -> list[str]:
    if UNSPACED.match(word) is None:
        return [word]
    return [word[i : i + 2] for i in range(max(1, len(word) - 1))]


def telling(word: str) -> bool:
    """Whether a word can name a cause: not a function word, not shorter than three letters in a spaced script."""
    bare = word.removeprefix("#")
    return bare not in STOP_WORDS and (len(bare) >= SHORTEST or UNSPACED.match(bare) is not None)
