"""What is done to a post's text and author: for the terminal, for the model, for matching, for storage.

Whatever the longest text that is taken (65,536 characters) holds, each function ends within 50 ms: runs are bounded before
anything that is not linear in them, and so is what NFKC makes of a text.
"""

from __future__ import annotations

import hmac
import re
import unicodedata
from functools import lru_cache
from typing import Final

# What may not reach a terminal or a log: controls (ESC starts a command, CR overwrites the line), line separators; bidi marks
# and overrides, zero-width and tag characters, which hide or reorder what is read; lone surrogates, which can't be encoded.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_HIDDEN = re.compile("[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]")
_SURROGATE = re.compile("[\ud800-\udfff]")

# Raw characters looked at per character that is wanted: links shrink to a word, and NFKC grows a character to 18 at most.
_READ_AHEAD: Final = 4
# Emoji families have runs of 8 marks and joiners at most and Hebrew with all its points 3; a run of thousands is an attack
# (ordering n marks costs n² steps).
_MARKS_KEPT: Final = 4
_LONG_RUN = re.compile(r"[^\w\s]{9,}")

LINK: Final = "https://link"  # what a link becomes for the model; models know links and mentions by their shape
MENTION: Final = "@user"
_URL = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_MENTION = re.compile(r"(?<![\w@])@\w+(?:@[\w-]+(?:\.[\w-]+)+)?")
_QUOTES = str.maketrans({"\u2018": "'", "\u2019": "'", "\u02bc": "'", "\ufe0e": None, "\ufe0f": None})

_HASHED = re.compile("h[0-9a-f]{16}")


def visible(text: str) -> str:
    """The text as a terminal or a log may show it: controls become spaces (line end and tab stay), hidden marks go."""
    if text.isprintable():
        return text
    return _SURROGATE.sub("\ufffd", _HIDDEN.sub("", _CONTROL.sub(" ", text)))


def clean(text: str, limit: int = 4_000) -> str:
    """The text as the model gets it, at most `limit` code points.

    NFKC; controls and lone surrogates as spaces; hidden marks removed; long runs of combining marks and joiners cut;
    links as `LINK`, mentions as `MENTION`.
    """
    text = text[: _READ_AHEAD * limit]
    if not text.isprintable():
        text = _HIDDEN.sub("", _SURROGATE.sub(" ", _CONTROL.sub(" ", text)))
    if not text.isascii():
        text = _normalised(text)[: _READ_AHEAD * limit]
    if "@" in text:
        text = _MENTION.sub(MENTION, text)
    if "://" in text or "www." in text:
        text = _URL.sub(LINK, text)
    return text[:limit]


def fold(text: str, limit: int = 20_000) -> str:
    """The first `limit` characters for comparing: NFKC, case folded, white space collapsed, hidden marks removed, plain quotes."""
    text = text[:limit]
    if not text.isascii():
        text = _normalised(_HIDDEN.sub("", _SURROGATE.sub("\ufffd", text)))[: 2 * limit].translate(_QUOTES)
    return " ".join(text.casefold().split())


def _normalised(text: str) -> str:
    return unicodedata.normalize("NFKC", _LONG_RUN.sub(_with_few_marks, text))


def _with_few_marks(run: re.Match[str]) -> str:
    """A run of signs with at most `_MARKS_KEPT` combining marks or joiners in a row."""
    kept: list[str] = []
    marks = 0
    for sign in run[0]:
        marks = marks + 1 if unicodedata.category(sign) in {"Mn", "Me", "Mc", "Cf"} else 0
        if marks <= _MARKS_KEPT:
            kept.append(sign)
    return "".join(kept)


@lru_cache(maxsize=50_000)  # few people write most posts: saves 5 µs a post
def author_hash(key: bytes, platform: str, handle: str) -> str:
    """The keyed hash that stands for an author: "h" and 16 hex digits of HMAC-SHA256. One that is hashed already stays as it is."""
    if _HASHED.fullmatch(handle):
        return handle
    name = f"{platform}\0{handle.strip().removeprefix('@').casefold()}"
    return "h" + hmac.digest(key, name.encode("utf-8", "replace"), "sha256")[:8].hex()
