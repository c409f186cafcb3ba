"""The arithmetic that every store shares: fixed-point sums, the share and its interval, bins and trend points.

A store adds up integers (`fixed`) and hands the sums over; the division happens here and nowhere else, so two stores with the
same posts give the same figures to the last digit.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.confusion import Z95, Known, estimate, estimate_of_several, unknown
from pipeline.records import BIN, EMOTIONS, SCALE, Bin, TrendPoint

ADDRESS = re.compile(r"https?://\S+|www\.\S+|@[\w.-]+(?:@[\w.-]+)?")


def fixed(value: float) -> int:
    """A score or weight as an integer number of 1/SCALE."""
    return round(value * SCALE)


def floor_to(moment: int, step: int) -> int:
    """The start of the bucket of `step` ms, counted from 1970, that holds `moment`."""
    return moment - moment % step


def check_every(every: int) -> None:
    """ValueError unless `every` is a positive multiple of BIN."""
    if every <= 0 or every % BIN:
        raise ValueError(f"a bucket of {every} ms is not a multiple of 5 minutes")


@dataclass(frozen=True, slots=True)
class Sums:
    """Exact integer sums over the posts of one bucket. w is the weight in 1/SCALE; all but `volume` are over scored posts."""

    volume: int  # Σ w over all posts
    weight: int  # Σ w
    weight_squared: int  # Σ w² // SCALE
    negative: int  # Σ w · p_negative, in 1/SCALE²; so are the next four
    intensity: int
    valence: int
    arousal: int
    emotions: tuple[int, ...]  # in the order of EMOTIONS
    models: tuple[str, ...] = ()  # names of the models that scored the posts, sorted; empty where that isn't known


def effective_n(weight: int, weight_squared: int) -> float:
    """How many posts of equal weight say as much: (Σw)²/Σw² (Kish, Survey Sampling, 1965). The count when all weights are 1.

    `weight` is Σ w and `weight_squared` Σ w² // SCALE, both with w in 1/SCALE.
    """
    return weight * weight / (SCALE * weight_squared) if weight_squared else 0.0


def share_interval(share: float, n: float) -> tuple[float, float]:
    """The 95 % interval of a share seen in n posts (n may be fractional and must be > 0).

    Wilson's score interval with x = share·n: Wilson, Probable inference, the law of succession, and statistical inference,
    JASA 22 (1927); kept within [0, 1] and sound for small n by Brown, Cai and DasGupta, Statistical Science 16 (2001).
    """
    z2 = Z95 * Z95
    middle = share + z2 / (2 * n)
    half = Z95 * math.sqrt(max(share * (1 - share), 0.0) / n + z2 / (4 * n * n))
    scale = 1 + z2 / n
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def share_of(weight: int, weight_squared: int, negative: int) -> tuple[float, float, float] | tuple[None, None, None]:
    """(share, low, high) from Σ w, Σ w² // SCALE and Σ w·p_negative; three None when nothing was scored."""
    if weight <= 0:
        return None, None, None
    share = negative / (weight * SCALE)
    return (share, *share_interval(share, effective_n(weight, weight_squared)))


def estimate_of(share: float | None, n: float, models: Sequence[str], known: Known) -> tuple[float, float, float] | tuple[None, None, None]:
    """(estimate, low, high) of a share that these models found in n posts; three None unless the confusion of each is known."""
    confusions = [known(model) for model in models]
    sure = [one for one in confusions if one is not None]
    if share is None or not sure or len(sure) < len(confusions):
        return None, None, None
    return estimate(share, n, sure[0]) if len(sure) == 1 else estimate_of_several(share, n, sure)


def trend_point(topic: str, start: int, sums: Sums, known: Known = unknown) -> TrendPoint:
    """One bucket of a chart from its sums; `known` gives the confusion of the models, for the estimate."""
    share, low, high = share_of(sums.weight, sums.weight_squared, sums.negative)
    if share is None:
        return TrendPoint(topic, start, sums.volume / SCALE, 0.0, None, None, None, None, None, None)
    whole = sums.weight * SCALE
    estimated, estimate_low, estimate_high = estimate_of(share, effective_n(sums.weight, sums.weight_squared), sums.models, known)
    return TrendPoint(
        topic=topic,
        start=start,
        volume=sums.volume / SCALE,
        n=sums.weight / SCALE,
        negative=share,
        low=low,
        high=high,
        intensity=sums.intensity / whole,
        valence=sums.valence / whole,
        arousal=sums.arousal / whole,
        emotions=dict(zip(EMOTIONS, [total / whole for total in sums.emotions], strict=True)),
        models=sums.models,
        estimate=estimated,
        estimate_low=estimate_low,
        estimate_high=estimate_high,
    )


def bin_of(
    topic: str,
    start: int,
    volume: int,
    weight: int,
    n_raw: int,
    negative: int,
    authors: int,
    distinct_texts: int,
    intensity: int = 0,
    models: tuple[str, ...] = (),
) -> Bin:
    """One bin from its sums: `volume` and `weight` in 1/SCALE, `negative` and `intensity` in 1/SCALE²."""
    square = SCALE * SCALE
    return Bin(topic, start, volume / SCALE, weight / SCALE, n_raw, negative / square, authors, distinct_texts, intensity / square, models)


def text_key(text: str) -> int:
    """A signed 64-bit hash of what a text says: case, spaces, web addresses and mentions don't count."""
    plain = text.casefold()
    if "@" in plain or "http" in plain or "www." in plain:
        plain = ADDRESS.sub(" ", plain)
    return signed_hash(" ".join(plain.split()))


def author_key(author: str | None) -> int | None:
    """A signed 64-bit hash of an author, to count distinct ones; None stays None."""
    return None if author is None else signed_hash(author)


def signed_hash(text: str) -> int:
    """64 bits of BLAKE2b as a signed integer, the widest that a database column holds; lone surrogates are fine."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little", signed=True)
