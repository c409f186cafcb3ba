"""What a reader would take for granted, as checks that need no labelled data (after CheckList, Ribeiro et al. 2020).

Three kinds: a text whose sentiment is plain; texts that must be scored alike; and a change that must move a figure in one direction.
None of these sentences is in the training data.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from pipeline.ports import Classifier
from pipeline.records import Score

Sentiment = Literal["negative", "neutral", "positive"]
# Two texts are scored alike if their p_negative differ by at most so much: a tenth of the way from sure to unsure.
ALIKE: Final = 0.05
_MOVED: Final = 0.1


@dataclass(frozen=True, slots=True)
class Plain:
    """The sentiment of a text is beyond doubt."""

    text: str
    sentiment: Sentiment

    @property
    def texts(self) -> tuple[str, ...]:
        return (self.text,)

    def holds(self, scores: list[Score]) -> bool:
        """The likeliest sentiment is the right one."""
        return scores[0].sentiment == self.sentiment


@dataclass(frozen=True, slots=True)
class Alike:
    """Texts that differ in nothing that matters."""

    texts: tuple[str, ...]

    def holds(self, scores: list[Score]) -> bool:
        """The probabilities of being negative lie within ALIKE of each other."""
        found = [score.p_negative for score in scores]
        return max(found) - min(found) <= ALIKE


@dataclass(frozen=True, slots=True)
class More:
    """The second text is more negative (or is felt more strongly) than the first."""

    texts: tuple[str, str]
    figure: Literal["p_negative", "intensity"] = "p_negative"

    def holds(self, scores: list[Score]) -> bool:
        """p_negative rises by a tenth at least; intensity doesn't fall."""
        first, second = (float(getattr(score, self.figure)) for score in scores)
        return second >= first + (_MOVED if self.figure == "p_negative" else 0)


Check = Plain | Alike | More


def checks() -> dict[str, Sequence[Check]]:
    """All checks by the name of what they are about."""
    return {
        "negated praise": [More((f"{s} good", f"{s} not good")) for s in _STARTS] + [Plain(text, "negative") for text in _NEGATED_PRAISE],
        "negated blame": [More((f"{s} not bad at all", f"{s} bad")) for s in _STARTS] + [Plain(text, "positive") for text in _NOT_BAD],
        "emoji only": [Plain(text, "negative") for text in ("😡", "😡😡😡", "💔", "😭", "🤮", "👎")]
        + [Plain(text, "positive") for text in ("😍", "😍😍", "❤️", "👍", "🥰", "🎉🎉")],
        "sarcasm": [Plain(text, "negative") for text in _SARCASM],
        "names that sound like feelings": [Plain(text, "neutral") for text in _TITLES],
        "typing errors": [Alike(pair) for pair in _TYPOS],
        "names of people": list(_with_names()),
        "gender": list(_with_gender()),
        "stronger words": [More(pair, "intensity") for pair in _STRONGER],
        "but": [Plain(text, "negative") for text in _BUT_BAD] + [Plain(text, "positive") for text in _BUT_GOOD],
        "plain questions and facts": [Plain(text, "neutral") for text in _FACTS],
    }


def run(classifier: Classifier) -> dict[str, Any]:
    """{"passed", "n", "groups": {name: {"n", "passed", "failed": [{"texts", "p_negative", "sentiment", "expected"}]}}}."""
    groups: dict[str, Any] = {}
    for name, group in checks().items():
        scores = iter(classifier.score([text for check in group for text in check.texts]))
        failed = []
        for check in group:
            found = [next(scores) for _ in check.texts]
            if not check.holds(found):
                failed.append(_failure(check, found))
        groups[name] = {"n": len(group), "passed": len(group) - len(failed), "failed": failed}
    return {"n": sum(g["n"] for g in groups.values()), "passed": sum(g["passed"] for g in groups.values()), "groups": groups}


def _failure(check: Check, found: list[Score]) -> dict[str, Any]:
    figure = check.figure if isinstance(check, More) else "p_negative"
    wanted = check.sentiment if isinstance(check, Plain) else "alike" if isinstance(check, Alike) else f"{figure} rises"
    return {
        "texts": list(check.texts),
        figure: [round(float(getattr(score, figure)), 4) for score in found],
        "sentiment": [score.sentiment for score in found],
        "expected": wanted,
    }


def _with_names() -> Iterator[Alike]:
    people = ("Emily", "Lakisha", "Mohammed", "Wei", "Greg", "José", "Oluwaseun", "Svetlana")
    for sentence in ("{} fixed my bike yesterday.", "I waited an hour for {}.", "{} was rude to the driver.", "We love working with {}!"):
        yield Alike(tuple(sentence.format(name) for name in people))


def _with_gender() -> Iterator[Alike]:
    for sentence in (
        "{} is a nurse.", "{} was late again.", "{} cried at the end.", "{} drives a truck.", "{} is the best boss I ever had.",
        "{} shouted at the waiter.",
    ):  # fmt: skip
        yield Alike((sentence.format("He"), sentence.format("She")))
    yield Alike(("My husband hates the new kitchen.", "My wife hates the new kitchen."))
    yield Alike(("The men were annoyed.", "The women were annoyed."))


_STARTS: Final = ("The coffee here is", "Honestly, the seats are", "Customer support was", "The second season is", "That keyboard is")
_NEGATED_PRAISE: Final = (
    "I do not love the taste.", "This isn't what I call quality.", "Never been happy with this bank.", "No fun whatsoever.",
    "The staff weren't friendly.", "It doesn't work as promised.", "I can't recommend this place.", "Not worth the price.",
)  # fmt: skip
_NOT_BAD: Final = (
    "Our stay was not bad", "Not bad at all!", "The hotel was not bad.", "No complaints from me.", "Never had a problem with it.",
    "I can't fault the service.", "Nothing to complain about.", "It wasn't terrible, I kind of liked it.",
)  # fmt: skip
_SARCASM: Final = (
    "Oh great, another delay.", "Wow, thanks for nothing.", "Just what I needed, a broken charger.",
    "Yeah right, like that will ever work.",
    "Brilliant, the site is down again.", "Nice job losing my parcel.", "I love waiting two hours on hold.",
    "Sure, because paying twice is so much fun.",
)  # fmt: skip
_TITLES: Final = (
    "War Zone opens at ten on Saturday.", "I have two tickets for Suicide Squad.", "Is The Killers concert still on?",
    "Broken Arrow is a city in Oklahoma.", "We start with chapter 3 of The Hate U Give.", "Angry Birds has a new level.",
    "Grumpy's Diner is next to the station.", "Panic at the Disco plays on Friday.", "The Joy Luck Club was published in 1989.",
    "Happy Meal boxes are made of paper.",
)  # fmt: skip
_TYPOS: Final = (
    ("The service was terrible.", "The service was terible."), ("I am so disappointed.", "I am so dissapointed."),
    ("Absolutely wonderful place!", "Absolutley wonderful place!"), ("The worst experience ever", "The worst experiance ever"),
    ("This is amazing", "This is amazng"), ("I hate this update", "I hate this updaet"), ("thank you so much", "thnak you so much"),
    ("really annoying ads", "realy annoying ads"), ("best phone I had", "best phone i had"), ("it is broken again", "it is brokn again"),
)  # fmt: skip
_STRONGER: Final = (
    ("I like this song", "I absolutely love this song"), ("I am annoyed", "I am absolutely furious"),
    ("It was nice", "It was fantastic!!!"),
    ("a bit disappointing", "a complete disaster"), ("i hate this", "I HATE THIS SO MUCH"), ("good game", "BEST GAME EVER!!!"),
    ("I was sad", "I was utterly heartbroken"), ("the cellar is scary", "the cellar is absolutely terrifying"),
)  # fmt: skip
_BUT_BAD: Final = (
    "The room was pretty, but the noise made sleep impossible.", "Good idea, but it crashes all the time.",
    "I wanted to like it, but it is boring.", "Nice people, but the food made me sick.",
)  # fmt: skip
_BUT_GOOD: Final = (
    "The queue was long, but the show was fantastic.", "Expensive, but worth every penny.", "I was sceptical, but now I love it.",
    "It arrived late, but it works perfectly and I am happy.",
)  # fmt: skip
_FACTS: Final = (
    "What time does the shop open?", "The train leaves from platform 4.", "Where can I download the manual?", "It has two USB ports.",
    "The meeting is on Tuesday.", "I bought it in March.", "Does it come in blue?", "The store is on Main Street.",
)  # fmt: skip
