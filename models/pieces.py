"""Texts to word-piece ids: a bounded dictionary of chunk → ids in front of a Hugging Face tokenizer, with its exact output."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence
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
        return self.all_ids([text])[0]

    def all_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text."""
        chunked = [text[:READ].split() for text in texts]
        known: Mapping[str, list[int]] = self._known
        unknown = set().union(*chunked).difference(known)
        if unknown and (rest := self._learn(sorted(unknown))):
            known = ChainMap(rest, self._known)
        return [self._joined([known[chunk] for chunk in chunks]) for chunks in chunked]

    def _joined(self, found: list[list[int]]) -> list[int]:
        ids = [self.opening]
        ids.extend(chain.from_iterable(found))
        del ids[self.most - 1 :]
        ids.append(self.closing)
        return ids

    def word_of(self, text: str, pieces: int) -> list[int]:
        """Which of the words (between white space) of a text each of its `pieces` ids comes from; −1 for the two marks."""
        counts = [len(ids) - 2 for ids in self.all_ids(text[:READ].split())]
        words = [word for word, count in enumerate(counts) for _ in range(count)]
        return [-1, *words[: pieces - 2], -1]

    def id_of(self, piece: str) -> int | None:
        """The id of a word piece, None if the vocabulary lacks it."""
        found: int | None = self._tokenizer.token_to_id(piece)
        return found

    def piece(self, number: int) -> str:
        """The word piece of an id."""
        return str(self._tokenizer.id_to_token(number))

    def _learn(self, chunks: list[str]) -> dict[str, list[int]]:
        """Remember the ids of chunks; those that are too long or too many for the dictionary are given back instead."""
        rest: dict[str, list[int]] = {}
        prepared = [prepare(chunk) for chunk in chunks]
        for chunk, found in zip(chunks, self._tokenizer.encode_batch_fast(prepared, add_special_tokens=False), strict=True):
            small = len(chunk) <= _LONGEST_CHUNK and len(self._known) < _REMEMBERED
            (self._known if small else rest)[chunk] = found.ids
        return rest
