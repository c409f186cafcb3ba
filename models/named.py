"""Checkpoints that a user tuned, by name; which of them is in use, and the way back.

A folder with one checkpoint per name, and `in-use.json`: the names in the order in which they were put to use, the last one is in use.
Every change is a file that replaces the old one as a whole, so whoever reads sees the old or the new state, after a crash too.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pipeline.errors import InputError, ModelError, NotFoundError

AUTO: Final = "auto"  # the name for "none of these: what is shipped"
_STATE: Final = "in-use.json"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


class Named:
    """The user's checkpoints in one folder, which need not exist yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(path.parent.name for path in self.folder.glob("*/config.json") if _NAME.fullmatch(path.parent.name))

    def path(self, name: str) -> Path:
        """The folder of a checkpoint. ModelError says what to do if it is gone."""
        if name not in self.names():
            raise ModelError(
                f"the model {name!r} is not in {self.folder}; see `moodstream models`, or go back: `moodstream models rollback`"
            )
        return self.folder / name

    def current(self) -> str | None:
        """The name in use, None for what is shipped."""
        name = self.history()[-1]
        return None if name == AUTO else name

    def history(self) -> list[str]:
        """The names that were put to use, oldest first; it begins with "auto". ModelError if the file can't be read."""
        file = self.folder / _STATE
        if not file.is_file():
            return [AUTO]
        try:
            found = json.loads(file.read_text(encoding="utf-8"))["history"]
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{file} is damaged: remove it to use what is shipped ({error!r})") from error
        if not isinstance(found, list) or not found or not all(isinstance(name, str) for name in found):
            raise ModelError(f"{file} is damaged: remove it to use what is shipped")
        return found

    def use(self, name: str) -> None:
        """Put a model to use; "auto" is what is shipped. NotFoundError if there is none of that name."""
        if name != AUTO and name not in self.names():
            raise NotFoundError.of("model", name, [AUTO, *self.names()])
        history = self.history()
        if history[-1] != name:
            self._write([*history, name])

    def rollback(self, name: str | None = None) -> str:
        """Go back to the model before, or to that name, and forget what came after; the name in use then. InputError if there is none."""
        earlier = self.history()[:-1]
        if not earlier:
            raise InputError("nothing to go back to: the shipped model is in use")
        if name is not None and name not in earlier:
            raise InputError(f"{name!r} was not in use before; these were: {', '.join(dict.fromkeys(earlier))}")
        while name is not None and earlier[-1] != name:
            earlier.pop()
        if earlier[-1] != AUTO:
            self.path(earlier[-1])
        self._write(earlier)
        return earlier[-1]

    @contextmanager
    def adding(self, name: str) -> Iterator[Path]:
        """A folder to write a checkpoint into, which gets its name when the block ends well and vanishes otherwise.

        InputError for a name that can't be used or is taken.
        """
        if not _NAME.fullmatch(name) or name == AUTO:
            raise InputError(f"{name!r} can't name a model: use up to 40 of a-z, 0-9, - and _, and not auto")
        if (self.folder / name).exists():
            raise InputError(f"there is a model {name!r} in {self.folder} already: give another --name")
        new = self.folder / f".{name}.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        try:
            yield new
            for path in new.iterdir():
                _flush(path)
            new.rename(self.folder / name)
            _flush(self.folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def _write(self, history: list[str]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        new = self.folder / f"{_STATE}.new"
        new.write_text(json.dumps({"history": history}, indent=1) + "\n", encoding="utf-8")
        _flush(new)
        new.replace(self.folder / _STATE)
        _flush(self.folder)


def _flush(path: Path) -> None:
    """To the disk, so that a power cut doesn't undo what was said to be done."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
