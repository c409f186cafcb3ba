"""Puts a synthetic post into words: a template, its slots, an opening, a close, and the slips of a person who types."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from producers import voices
from producers.phrases import NEGATIVE, POSITIVE, TEMPLATES
from producers.subjects import Subject

DRAWS: Final = 32  # random integers that one text takes

_NUMBERS = tuple(str(n) for n in range(2, 62))
_ORDINALS = tuple(f"{n}{'th' if 3 < n < 21 else {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th')}" for n in range(2, 62))
_SENTENCE_START = re.compile(r"(^|[.!?] |\* )\{([a-z]+)\}")
_SLIPS = {"the": "teh", "really": "realy", "because": "becuase", "their": "thier", "and": "adn", "with": "wiht", "you": "u", "are": "r"}
_SHOUTED = frozenset(("anger", "excitement", "disgust"))

Draws = Sequence[int]


def tone_of(emotion: str) -> str:
    """`positive`, `negative` or `neither`."""
    if emotion in POSITIVE:
        return "positive"
    return "negative" if emotion in NEGATIVE else "neither"


class _Words(dict[str, str]):
    """Slot → words, chosen when a template asks for them: a text uses three of the slots, not all 17."""

    __slots__ = ("banks", "draws")

    def __init__(self, banks: dict[str, tuple[int, tuple[str, ...]]], draws: Draws) -> None:
        self.banks = banks
        self.draws = draws

    def __missing__(self, slot: str) -> str:
        column, bank = self.banks[slot]
        words = self[slot] = bank[self.draws[column] % len(bank)]
        return words


class Composer:
    """Writes posts about one subject. Every text names it in a way that the subject's topic settings match."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._name = subject.topic.name
        self._tag = "#" + self._name.replace(" ", "")
        self._handle = "@" + subject.topic.handles[0]
        self._lines = {emotion: tuple(capitals(line) for line in lines) for emotion, lines in TEMPLATES.items()}
        self._banks = [_banks(subject, times) for times in voices.TIMES]

    def text(self, emotion: str, platform: str, draws: Draws, quarter: int) -> str:
        """A text in English. `draws`: `DRAWS` integers from 0 to 2³¹; `quarter`: of the local day, 0 is the night."""
        words = _Words(self._banks[quarter], draws)
        lines = self._lines[emotion]
        body = lines[draws[0] % len(lines)].format_map(words)
        tone = tone_of(emotion)
        if platform == "shop":
            parts = self._review(tone, body, draws, words)
        elif platform == "forum":
            second = ""
            if draws[18] % 10 < 6:
                other = (draws[0] + 1 + draws[17] % (len(lines) - 1)) % len(lines)
                second = lines[other].format_map(_Words(self._banks[quarter], draws[16:]))
            parts = self._forum(tone, body, second, draws, words)
        else:
            parts = self._social(tone, body, draws, words)
        return self._typed(" ".join(part for part in parts if part), emotion, platform, draws)

    def line(self, template: str, detail: str, emotion: str, platform: str, draws: Draws, quarter: int) -> str:
        """A text from a given template, for planted stories."""
        words = _Words(self._banks[quarter], draws)
        words["detail"], words["Detail"] = detail, detail[:1].upper() + detail[1:]
        opener = voices.OPENERS[draws[12] % len(voices.OPENERS)].format_map(words) if draws[13] % 100 < 12 else ""
        closers = voices.CLOSERS[tone_of(emotion)]
        closer = closers[draws[14] % len(closers)].format_map(words) if draws[15] % 100 < 45 else ""
        body = capitals(template).format_map(words)
        return self._typed(" ".join(part for part in (opener, body, closer) if part), emotion, platform, draws)

    def copy(self, template: str) -> str:
        """A template with the bare name and nothing else."""
        return template.format(name=self._name)

    def foreign(self, template: str, draws: Draws) -> str:
        """A text from a template of another language, with a hashtag on every third."""
        text = template.format(name=self._name, n=draws[1] % 900 + 2)
        return f"{text} {self._tag}" if draws[2] % 3 == 0 else text

    def _social(self, tone: str, body: str, d: Draws, words: _Words) -> tuple[str, ...]:
        opener = voices.OPENERS[d[12] % len(voices.OPENERS)].format_map(words) if d[13] % 100 < 22 else ""
        closers = voices.CLOSERS[tone]
        closer = closers[d[14] % len(closers)].format_map(words) if d[15] % 100 < 38 else ""
        before, after = self._mention(body, d[19], d[20])
        return before, opener, body, closer, after

    def _forum(self, tone: str, body: str, second: str, d: Draws, words: _Words) -> tuple[str, ...]:
        openers = voices.FORUM_OPENERS
        opener = openers[d[12] % len(openers)].format_map(words) if d[13] % 100 < 45 else ""
        closers = voices.CLOSERS[tone]
        closer = closers[d[14] % len(closers)].format_map(words) if d[15] % 100 < 25 else ""
        about = "" if self._name in body or self._name in second else f"About {words['it']}."
        return opener, about, body, second, closer

    def _review(self, tone: str, body: str, d: Draws, words: _Words) -> tuple[str, ...]:
        titles, closers = voices.REVIEW_TITLES[tone], voices.REVIEW_CLOSERS[tone]
        title = titles[d[12] % len(titles)].format_map(words) if d[13] % 100 < 60 else ""
        closer = closers[d[14] % len(closers)].format_map(words) if d[15] % 100 < 60 else ""
        about = "" if self._name in body else f"Tried {self._name} {words['day']}."
        return title, about, body, closer

    def _mention(self, body: str, choice: int, extra: int) -> tuple[str, str]:
        """What goes before and after a post so that it names the subject."""
        if self._name in body:
            return "", self._tag if extra % 100 < 12 else ""
        before, after = (("", self._tag), ("", self._tag), (self._handle, ""), (f"{self._name}:", ""))[choice % 4]
        return before, after

    def _typed(self, text: str, emotion: str, platform: str, d: Draws) -> str:
        """Slips, case, a missing full stop, an emoji."""
        style = d[21] % 1000
        if style < 70:
            text = slip(text, d[22])
        if platform == "x":
            if 70 <= style < 220:
                text = text.lower()
            elif style > 960 and emotion in _SHOUTED:
                text = text.upper()
            if text[-1] == "." and d[23] % 10 < 4:
                text = text[:-1]
        if d[24] % 100 < (22 if platform == "x" else 4):
            marks = voices.EMOJI[emotion]
            text = f"{text} {marks[d[25] % len(marks)] * (1 + (d[26] % 8 == 0))}"
        return text


def _banks(subject: Subject, times: tuple[str, ...]) -> dict[str, tuple[int, tuple[str, ...]]]:
    """Slot → (column of the draws, what it may say), with and without a capital."""
    slots = {
        "it": (1, subject.names), "at": (2, subject.places), "f": (3, subject.features), "good": (4, subject.good),
        "bad": (5, subject.bad), "fact": (6, subject.facts), "use": (7, subject.uses), "n": (8, _NUMBERS), "nth": (8, _ORDINALS),
        "adv": (9, voices.INTENSIFIERS), "t": (10, times), "who": (11, voices.PEOPLE), "name": (1, (subject.topic.name,)),
        "m": (16, _NUMBERS), "mth": (16, _ORDINALS), "day": (29, times), "friend": (30, voices.PEOPLE),
    }  # fmt: skip
    capital = {slot.capitalize(): (column, tuple(words[0].upper() + words[1:] for words in bank)) for slot, (column, bank) in slots.items()}
    return slots | capital


def slip(text: str, draw: int) -> str:
    """One typing slip in a word of lower-case letters, so names, hashtags and handles stay as they are."""
    words = text.split(" ")
    plain = [
        i for i, word in enumerate(words) if word in _SLIPS or (len(word) > 4 and word.isascii() and word.isalpha() and word.islower())
    ]
    if not plain:
        return text
    at = plain[draw % len(plain)]
    word = words[at]
    k = 1 + draw // 64 % max(1, len(word) - 3)
    swapped = word[:k] + word[k + 1] + word[k] + word[k + 2 :]
    missed = word[:k] + word[k + 1 :]
    words[at] = _SLIPS.get(word) or (swapped if draw & 32 and swapped != word else missed)
    return " ".join(words)


def capitals(template: str) -> str:
    """The template with a capital letter in the slots that begin a sentence."""
    return _SENTENCE_START.sub(lambda m: f"{m[1]}{{{m[2].capitalize()}}}", template)
