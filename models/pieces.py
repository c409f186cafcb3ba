"""Texts to word-piece ids: a bounded dictionary of chunk → ids in front of a Hugging Face tokenizer, with its exact output."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Final

from tokenizers import Tokenizer

from models.wording import READ, prepare

# 200,000 chunks are about 40 MB; the 30,000 commonest cover 95 % of the chunks of English posts.
_REMEMBERED: Final = 200_000
_LONGEST_CHUNK: Final = 40


class Pieces:
    """A word-piece tokenizer of one file. BERT's splits at white space first, so the ids of a text are those of its chunks."""

    def __init__(self, path: Path, most: int) -> None:
        """`most`: ids per text at most, with the opening and closing mark."""
        self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self.size: int = self._tokenizer.get_vocab_size()
        self.most = most
        self.opening, self.closing = self._tokenizer.encode("").ids
        self._known: dict[str, list[int]] = {}

    def ids(self, text: str) -> list[int]:
        """The ids of one text, opening and closing mark included."""
        known = self._known
        chunks = text[:READ].split()
        try:
            found = [known[chunk] for chunk in chunks]
        except KeyError:
            found = [known.get(chunk) or self._learn(chunk) for chunk in chunks]
        ids = [self.opening]
        ids.extend(chain.from_iterable(found))
        del ids[self.most - 1 :]
        ids.append(self.closing)
        return ids

    def all_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text."""
        return [self.ids(text) for text in texts]

    def id_of(self, piece: str) -> int | None:
        """The id of a word piece, None if the vocabulary lacks it."""
        found: int | None = self._tokenizer.token_to_id(piece)
        return found

    def piece(self, number: int) -> str:
        """The word piece of an id."""
        return str(self._tokenizer.id_to_token(number))

    def _learn(self, chunk: str) -> list[int]:
        found: list[int] = self._tokenizer.encode(prepare(chunk), add_special_tokens=False).ids
        if len(chunk) <= _LONGEST_CHUNK and len(self._known) < _REMEMBERED:
            self._known[chunk] = found
        return found
