"""Which topics a text is about: every phrase, hashtag, handle and exclusion of all topics is looked for in one pass."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ahocorasick_rs import AhoCorasick, MatchKind

from pipeline.settings import TopicSettings
from pipeline.text import fold

# Scripts without spaces between words (Thai, Lao, Myanmar, Khmer, kana, Han, half-width forms after NFKC) and Hangul, where
# particles are written onto the noun: next to them a word may begin or end anywhere.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1100-\u11ff\u3005-\u30ff\u3130-\u318f\u31f0-\u31ff\u3400-\u9fff\uac00-\ud7ff"
    "\uf900-\ufaff\U0001b000-\U0001b2ff\U00020000-\U0003ffff]"
)


@dataclass(frozen=True, slots=True)
class _Needle:
    """A pattern's duties: topics (by index) that it includes or excludes, and the sides on which a word must end."""

    includes: tuple[int, ...]
    excludes: tuple[int, ...]
    left: bool
    right: bool


class Matcher:
    """Finds the topics of a text: any case, after NFKC, with word borders in scripts that have spaces (Aho and Corasick, 1975)."""

    def __init__(self, topics: Sequence[TopicSettings]) -> None:
        self._topics = tuple(topics)
        self._languages = [frozenset(code.lower() for code in topic.languages) for topic in topics]
        self._default = {topic.name: topic.language for topic in topics}
        self._filtered = frozenset(topic.name for topic in topics if topic.languages)
        patterns = _patterns(topics)
        self._needles = [_needle(text, *duties) for text, duties in patterns.items()]
        self._automaton = AhoCorasick(list(patterns), matchkind=MatchKind.Standard) if patterns else None

    def match(self, text: str, lang: str | None, assigned: Iterable[str] = ()) -> tuple[str, ...]:
        """The topics of a text: those that its source assigned, then those that match, in the order of the settings.

        `lang` None passes every language filter. Exclusions and filters don't touch what is assigned.
        """
        names = dict.fromkeys(assigned)
        for index in sorted(self._found(text)):
            languages = self._languages[index]
            if not languages or lang is None or lang in languages:
                names[self._topics[index].name] = None
        return tuple(names)

    def language(self, topics: Sequence[str]) -> str:
        """What a text of these topics without a sure language is taken for: the first topic's language."""
        return next((self._default[name] for name in topics if name in self._default), "en")

    def filters(self, topics: Sequence[str]) -> bool:
        """Whether one of these topics wants only some languages."""
        return any(name in self._filtered for name in topics)

    def _found(self, text: str) -> set[int]:
        if self._automaton is None:
            return set()
        folded = fold(text)
        found: set[int] = set()
        excluded: set[int] = set()
        for which, start, end in self._automaton.find_matches_as_indexes(folded, overlapping=True):
            needle = self._needles[which]
            inside_left = needle.left and start > 0 and _joins(folded[start - 1])
            inside_right = needle.right and end < len(folded) and _joins(folded[end])
            if not (inside_left or inside_right):
                found.update(needle.includes)
                excluded.update(needle.excludes)
        return found - excluded


def _patterns(topics: Sequence[TopicSettings]) -> dict[str, tuple[list[int], list[int]]]:
    """Folded pattern → (topics that it includes, topics that it excludes)."""
    patterns: dict[str, tuple[list[int], list[int]]] = {}
    for index, topic in enumerate(topics):
        tags = ["#" + tag.lstrip("#＃") for tag in topic.hashtags if tag.lstrip("#＃").strip()]
        handles = ["@" + handle.lstrip("@＠") for handle in topic.handles if handle.lstrip("@＠").strip()]
        for side, written in enumerate(([*topic.phrases, *tags, *handles], topic.exclude)):
            for pattern in filter(None, map(fold, written)):
                patterns.setdefault(pattern, ([], []))[side].append(index)
    return patterns


def _needle(text: str, includes: list[int], excludes: list[int]) -> _Needle:
    return _Needle(tuple(includes), tuple(excludes), left=_joins(text[0]) or text[0] in "#@", right=_joins(text[-1]))


def _joins(character: str) -> bool:
    """Whether a character continues a word of a script that has spaces."""
    if character.isascii():
        return character.isalnum() or character == "_"
    word = character.isalnum() or unicodedata.category(character)[0] == "M"
    return word and not _UNSPACED.match(character)
