"""Masks e-mail addresses, telephone numbers and card numbers in a text before it is stored.

A number is judged by its shape: how its digits are grouped, what it begins with, and whether the words before it speak of a
telephone. Prices, dates, years, ranges and decimal numbers are left alone.
"""

from __future__ import annotations

import re
from typing import Final

_EMAIL = re.compile(r"(?<![\w.+%@-])[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_HOSTS: Final = ("gmail", "googlemail", "yahoo", "hotmail", "outlook", "icloud", "protonmail", "gmx")
_BRACKETED_AT = re.compile(r"[\[({]\s?[aA][tT]\s?[\])}]")
# anna (at) example (dot) org, anna [at] example.org, anna at gmail dot com
_SPELLED_EMAIL = re.compile(
    r"(?<![\w.+%-])[\w.+%-]{1,64}\s{0,2}(?:[\[({]\s?at\s?[\])}]\s{0,2}[\w-]{1,63}"
    rf"|\sat\s(?:{'|'.join(_HOSTS)}))"
    r"(?:\s{0,2}(?:\.|[\[({]\s?dot\s?[\])}]|\sdot\s)\s{0,2}[\w-]{2,63}){1,4}",
    re.IGNORECASE,
)
# A run of 7 to 26 digits with at most two separators between them, not inside a word, a path or a decimal number.
_DIGITS = re.compile(r"(?<![\w/=#&€$£¥₹])(?<!\d[.,])(?:\+|\(\+?)?\d(?:[ \u00a0.()/\u2010-\u2014-]{0,2}\d){6,25}(?![\w%€$£]|[.,:]\d)")
_SEVEN_DIGITS = re.compile(r"\d(?:[ \u00a0.()/\u2010-\u2014-]{0,2}\d){6}")
_SEPARATED = re.compile(r"\d+")

_CARD = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}"
    r"|35\d{14}|6(?:011|4[4-9]\d|5\d\d)\d{12,15}|62\d{14,17}|(?:50|5[6-8]|6[37])\d{10,17}"
)
_CARD_GROUPS = {(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (4, 4, 4, 1), (6, 13), (4, 5, 6)}
_DATE = re.compile(
    r"(?:(?:19|20)\d\d(?P<a>[-./ ])(?:0?[1-9]|1[0-2])(?P=a)[0-3]?\d|[0-3]?\d(?P<b>[-./])[0-3]?\d(?P=b)(?:(?:19|20)?\d\d)(?!(?P=b)?\d)"
    r"|[0-3]?\d [01]?\d (?:19|20)\d\d)(?!\d)"
)
_SPEAKS_OF_A_PHONE = re.compile(
    r"(?:\b(?:call|phone|tel|telephone|mobile|cell|text|sms|whatsapp|signal|fax|dial|ring|reach|number|contact|hotline|handy|tel[ée]fono"
    r"|t[ée]l|m[óo]vil)\b|\N{TELEPHONE RECEIVER}|\N{MOBILE PHONE}|\N{BLACK TELEPHONE}\ufe0f?)[^\d]{0,20}$",
    re.IGNORECASE,
)
# Groups of digits as numbers are written without a country code: 555-123-4567, 1-555-123-4567, 98765 43210, 138 1234 5678.
_NATIONAL: Final = {(3, 3, 4), (1, 3, 3, 4), (5, 5), (3, 4, 4), (2, 5, 4), (2, 4, 4)}


def mask_personal(text: str) -> str:
    """The text with e-mail addresses as [email], card numbers as [card], telephone numbers as [phone].

    Cheap looks come first, as few posts hold any of them: 2 µs for a post of 100 characters.
    """
    if "@" in text:
        text = _EMAIL.sub("[email]", text)
    if _may_spell_an_email(text):
        text = _SPELLED_EMAIL.sub("[email]", text)
    return _DIGITS.sub(_judged, text) if _SEVEN_DIGITS.search(text) else text


def _may_spell_an_email(text: str) -> bool:
    if _BRACKETED_AT.search(text):
        return True
    return " at " in text and any(f" at {host}" in text.lower() for host in _HOSTS)


def _judged(found: re.Match[str]) -> str:
    written = found[0]
    opened = "(" if written[0] == "(" and ")" not in written else ""  # of the sentence, not of an area code
    written = written.removeprefix(opened)
    parts = _SEPARATED.findall(written)
    digits, groups = "".join(parts), tuple(map(len, parts))
    if _is_card(digits, groups):
        return opened + "[card]"
    if _is_phone(written, digits, groups, found.string[max(0, found.start() - 40) : found.start()]):
        return opened + "[phone]"
    return found[0]


def _is_card(digits: str, groups: tuple[int, ...]) -> bool:
    """A known issuer's prefix and length, written in one piece or in a card's groups, with a right check digit (Luhn, 1954)."""
    if not 13 <= len(digits) <= 19 or (len(groups) > 1 and groups not in _CARD_GROUPS) or not _CARD.fullmatch(digits):
        return False
    numbers = [int(digit) for digit in reversed(digits)]
    return sum(numbers[::2] + [n * 2 - 9 * (n > 4) for n in numbers[1::2]]) % 10 == 0


def _is_phone(written: str, digits: str, groups: tuple[int, ...], before: str) -> bool:
    if not 7 <= len(digits) <= 15 or _DATE.match(written):
        return False
    if written.lstrip("(").startswith("+") or (digits.startswith("00") and len(digits) >= 10 and digits[2] != "0"):
        return True
    if digits.startswith("0") and digits[1] != "0":
        return len(digits) >= 9 and (groups[0] >= 2 or len(groups) > 2)
    if written.startswith("("):
        return len(groups) > 1
    if groups in _NATIONAL and (len(digits) != 10 or digits[0] not in "01"):
        return True
    if len(groups) == 1 and len(digits) == 10:
        return digits[0] in "23456789" and digits[3] in "23456789" and not digits.endswith("000")
    return bool(_SPEAKS_OF_A_PHONE.search(before))
