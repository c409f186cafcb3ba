"""The errors that moodstream raises on purpose. Each message says what is wrong and what to do about it.

MoodstreamError
├── SettingsError      a settings file, variable or option that can't be used        exit code 2
├── InputError         an input that can't be read at all (a bad record is a Rejected)  exit code 2
├── NotFoundError      no such topic, incident, post; names the nearest one          exit code 2
├── ModelError         a checkpoint that is missing, altered, or of another shape    exit code 3
├── StoreError         the store can't be used                                       exit code 4
│   ├── StoreBusy      transient: wait `seconds`, then try again
│   └── StoreBlocked   full or read-only: stop taking posts, keep probing, never dead-letter
├── TooManyRejected    the share of bad records is over its limit                    exit code 5
└── Unavailable        a broker or server that didn't answer in time                 exit code 6
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class MoodstreamError(Exception):
    """Root of the tree. `exit_code` is what a command ends with."""

    exit_code = 1


class SettingsError(MoodstreamError):
    """A settings file, variable or option that can't be used."""

    exit_code = 2


class InputError(MoodstreamError):
    """An input that can't be read at all."""

    exit_code = 2


class NotFoundError(MoodstreamError):
    """Something named that doesn't exist."""

    exit_code = 2

    @classmethod
    def of(cls, what: str, name: str, known: Iterable[str]) -> NotFoundError:
        """`unknown topic 'dreses'; did you mean 'dresses'?`, or the list of what there is."""
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        if near:
            return cls(f"unknown {what} {name!r}; did you mean {near[0]!r}?")
        have = ", ".join(names[:10]) or "none yet"
        return cls(f"unknown {what} {name!r}; there is: {have}")


class ModelError(MoodstreamError):
    """A checkpoint that is missing, altered, or of another shape."""

    exit_code = 3


class StoreError(MoodstreamError):
    """The store can't be used."""

    exit_code = 4


class StoreBusy(StoreError):
    """Transient: wait `seconds`, then try again."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class StoreBlocked(StoreError):
    """The store is full or read-only: stop taking posts, keep probing, never dead-letter."""


class TooManyRejected(MoodstreamError):
    """The share of bad records is over its limit."""

    exit_code = 5


class Unavailable(MoodstreamError):
    """A broker or server that didn't answer in time."""

    exit_code = 6
