"""Batches of texts of one length: no padding, so no wasted work and no mask."""

from __future__ import annotations

from collections.abc import Sequence


def equal_lengths(lengths: Sequence[int], tokens: int, most: int = 1 << 30) -> list[list[int]]:
    """Positions in groups of one length each, with at most `tokens` tokens (but at least one text) and `most` texts."""
    groups: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        last = groups[-1] if groups else []
        if last and lengths[last[0]] == lengths[i] and len(last) < most and (len(last) + 1) * lengths[i] <= tokens:
            last.append(i)
        else:
            groups.append([i])
    return groups
