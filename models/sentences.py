"""Sentences of our own for what the licensed sets hardly show: negated praise and blame, and names that only sound like feelings."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Final

# A sentence, its shares of (negative, neutral, positive), and its valence −1..1.
Rated = tuple[str, tuple[float, float, float], float]

_SUBJECTS: Final = (
    "this", "it", "the film", "the service", "my phone", "the food", "their app", "our room", "the update", "her speech", "the match",
    "that idea", "the battery", "your plan", "the new design",
)  # fmt: skip
_GOOD: Final = (
    "good", "great", "nice", "helpful", "useful", "impressive", "pleasant", "reliable", "comfortable", "fun", "clever", "interesting",
    "funny", "convincing", "fair", "worth it", "easy to use", "beautiful", "safe", "fast",
)  # fmt: skip
_POOR: Final = (
    "bad", "terrible", "awful", "horrible", "ugly", "stupid", "boring", "annoying", "broken", "slow", "useless", "disappointing",
    "a waste of money", "a failure", "rude", "sad", "scary", "wrong", "a problem", "dangerous",
)  # fmt: skip
_MILD_PRAISE: Final = ((0.08, 0.32, 0.6), 0.3)
_PRAISE: Final = ((0.02, 0.1, 0.88), 0.6)
_BLAME: Final = ((0.88, 0.1, 0.02), -0.6)
_MILD_BLAME: Final = ((0.75, 0.21, 0.04), -0.4)
_STRONG_PRAISE: Final = ((0.01, 0.04, 0.95), 0.8)
_STRONG_BLAME: Final = ((0.95, 0.04, 0.01), -0.8)
_NEITHER: Final = ((0.03, 0.94, 0.03), 0.0)

_OF_GOOD: Final = (
    ("{} is {}", _PRAISE), ("{} is so {}", _PRAISE), ("{} is not {}", _MILD_BLAME), ("{} isn't {} at all", _BLAME),
    ("{} is not very {}", _MILD_BLAME), ("{} was never {}", _MILD_BLAME), ("I don't think {} is {}", _MILD_BLAME),
    ("{} is hardly {}", _MILD_BLAME), ("no one would call {} {}", _BLAME), ("{} could not be more {}", _STRONG_PRAISE),
)  # fmt: skip
_OF_POOR: Final = (
    ("{} is {}", _BLAME), ("{} is so {}", _BLAME), ("{} is not {}", _MILD_PRAISE), ("{} isn't {} at all", _MILD_PRAISE),
    ("{} is not that {}", _MILD_PRAISE), ("{} was never {}", _MILD_PRAISE), ("I don't think {} is {}", _MILD_PRAISE),
    ("{} is hardly {}", _MILD_PRAISE), ("no one would call {} {}", _MILD_PRAISE),
)  # fmt: skip
_WHOLE: Final = (
    ("no complaints about {}", _PRAISE), ("nothing wrong with {}", _MILD_PRAISE), ("can't complain about {}", _MILD_PRAISE),
    ("{} never lets me down", _PRAISE), ("no problems with {} so far", _MILD_PRAISE), ("I couldn't be happier with {}", _STRONG_PRAISE),
    ("{} couldn't be better", _STRONG_PRAISE), ("{} couldn't be worse", _STRONG_BLAME), ("I don't like {}", _BLAME),
    ("I don't hate {}", _MILD_PRAISE), ("I was not impressed by {}", _MILD_BLAME), ("{} did not disappoint", _PRAISE),
    ("nobody likes {}", _BLAME), ("I have never been so disappointed by {}", _STRONG_BLAME), ("I will not buy {} again", _BLAME),
    ("what is not to like about {}?", _PRAISE), ("I wouldn't recommend {}", _BLAME), ("{} doesn't work", _BLAME),
    ("{} failed to impress me", _MILD_BLAME), ("I never regretted getting {}", _PRAISE), ("{} is neither good nor bad", _NEITHER),
)  # fmt: skip
_TITLES: Final = (
    "Hate Street", "Angry Ducks", "Death Valley", "Crime and Punishment", "Killer Queen", "Bloody Sunday", "Terror Bay", "Happy Valley",
    "Disaster Movie", "The Joy Club", "Love Island", "Lovely Bones", "Dead Poets", "Panic Room", "Paradise Bay", "Sad Cafe",
)  # fmt: skip
_ABOUT_TITLES: Final = (
    "{} comes out on Friday", "{} is on at eight", "where can I watch {}?", "I am at {} now", "tickets for {} go on sale at noon",
    "is {} the second or the third part?", "the map of {} has four regions", "we drive to {} tomorrow", "{} has 12 episodes",
)  # fmt: skip


def sentences() -> Iterator[Rated]:
    """Every sentence that the patterns make, about 6,000."""
    for words, patterns in ((_GOOD, _OF_GOOD), (_POOR, _OF_POOR)):
        for subject, word, (pattern, (shares, valence)) in product(_SUBJECTS, words, patterns):
            yield pattern.format(subject, word), shares, valence
    for subject, (pattern, (shares, valence)) in product(_SUBJECTS, _WHOLE):
        yield pattern.format(subject), shares, valence
    for title, pattern in product(_TITLES, _ABOUT_TITLES):
        yield pattern.format(title), *_NEITHER
