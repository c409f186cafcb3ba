"""The alert rules that people write first, as they run on counts per bin: what the detector is compared with.

Each rule takes posts n and negatives x, both (bins, topics), and returns its messages as (topic, bin). Rules that keep firing
are silenced for an hour after a message, as their tools do by default; a static threshold speaks when it is crossed again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.baseline import Baseline, Observed, sigmoid
from pipeline.records import BIN, DAY

Counts = NDArray[np.int64] | NDArray[np.float64]  # posts may have weights
Alert = tuple[int, int]  # topic, bin
Rule = Callable[["Counted"], list[Alert]]


@dataclass(frozen=True, slots=True)
class Counted:
    """Posts n and negatives x, both (bins, topics), and the start of the first bin in ms."""

    n: Counts
    x: Counts
    start: int

    @property
    def posts(self) -> NDArray[np.float64]:
        """Posts of the last hour."""
        return _last(self.n.astype(float), HOUR)

    @property
    def negative(self) -> NDArray[np.float64]:
        """Negatives of the last hour."""
        return _last(self.x.astype(float), HOUR)


HOUR = 12  # bins
WHOLE_DAY = 288
WEEK = 7 * WHOLE_DAY
CUSUM_HEIGHT = 8.0
CUSUM_ODDS = 4.0


def _last(a: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    """Sum over each bin and the bins before it; fewer at the start."""
    total = np.concatenate([np.zeros((1, a.shape[1])), np.cumsum(a, axis=0)])
    first = np.maximum(np.arange(1, len(a) + 1) - bins, 0)
    return np.asarray(total[1:] - total[first])


def _before(a: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    """The row so many bins earlier; not a number before the first."""
    out = np.full_like(a, np.nan)
    out[bins:] = a[:-bins]
    return out


def _moments(a: NDArray[np.float64], use: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and deviation over the 24 hours before each bin, over the bins in use."""
    k = _before(_last(use.astype(float), WHOLE_DAY), 1)
    mean = _before(_last(np.where(use, a, 0.0), WHOLE_DAY), 1) / np.maximum(k, 1)
    square = _before(_last(np.where(use, a * a, 0.0), WHOLE_DAY), 1) / np.maximum(k, 1)
    return mean, np.sqrt(np.maximum(square - mean**2, 0))


def _silenced(condition: NDArray[np.bool_], bins: int = HOUR) -> list[Alert]:
    """One message, then silence for an hour."""
    out: list[Alert] = []
    for topic in range(condition.shape[1]):
        last = -bins
        for b in np.flatnonzero(condition[:, topic]):
            if b - last >= bins:
                out.append((topic, int(b)))
                last = int(b)
    return out


def _crossed(condition: NDArray[np.bool_]) -> list[Alert]:
    """A message each time the condition begins to hold."""
    begins = condition & ~np.concatenate([np.zeros((1, condition.shape[1]), bool), condition[:-1]])
    return [(int(topic), int(b)) for b, topic in np.argwhere(begins)]


def spike(seen: Counted, least_before: int = 0) -> list[Alert]:
    """ElastAlert2's `spike` on negatives: this hour three times the hour before, at least ten now."""
    now = seen.negative
    before = _before(now, HOUR)
    return _silenced((now >= 3 * before) & (now >= 10) & (before >= least_before))


def spike_with_reference(seen: Counted) -> list[Alert]:
    """The same with at least ten in the hour before."""
    return spike(seen, least_before=10)


def static_share(seen: Counted) -> list[Alert]:
    """A threshold on a dashboard: share over .4 in the last hour, at least 20 posts."""
    posts, negative = seen.posts, seen.negative
    return _crossed((posts >= 20) & (negative > 0.4 * posts))


def three_sigma_count(seen: Counted) -> list[Alert]:
    """Negatives of five minutes more than three deviations over the last 24 hours, at least five."""
    mean, deviation = _moments(seen.x.astype(float), np.ones(seen.x.shape, bool))
    return _silenced((seen.x > mean + 3 * deviation) & (seen.x >= 5))


def three_sigma_share(seen: Counted) -> list[Alert]:
    """Share of the hour more than three deviations over the last 24 hours, at least 20 posts."""
    posts, negative = seen.posts, seen.negative
    share, enough = negative / np.maximum(posts, 1), posts >= 20
    mean, deviation = _moments(share, enough)
    return _silenced(enough & (share > mean + 3 * deviation))


def twice_last_week(seen: Counted) -> list[Alert]:
    """Negatives of the hour at least twice those of the same hour a week ago, at least ten."""
    now = seen.negative
    return _silenced((now >= 2 * _before(now, WEEK)) & (now >= 10))


def cusum(seen: Counted) -> list[Alert]:
    """Sum of log likelihood ratios (odds ×4) against the learnt daily profile, tempered for overdispersion; alerts at 8.

    It is what one writes first when one knows statistics (Page 1954). It clears at 0 and is silent until then.
    """
    topics = seen.n.shape[1]
    baseline = Baseline(topics)
    total, active = np.zeros(topics), np.zeros(topics, bool)
    out: list[Alert] = []
    for b in range(len(seen.n)):
        t, posts = seen.start + b * BIN, seen.n[b].astype(float)
        now = Observed(posts, seen.x[b].astype(float), posts)
        base = baseline.logit(t)
        gain = now.x * np.log(CUSUM_ODDS) - now.n * np.log1p(sigmoid(base) * (CUSUM_ODDS - 1))
        total = np.clip(total + gain / baseline.dispersion(now), 0, 2 * CUSUM_HEIGHT)
        fired = (total >= CUSUM_HEIGHT) & ~active
        active = (active | fired) & (total > 0)
        out += [(int(topic), b) for topic in np.flatnonzero(fired)]
        baseline.observe(t, now, base, (~active).astype(float))
        if (t + BIN) % DAY == 0:
            baseline.close_day(t + BIN)
    return out


PEERS: Mapping[str, Rule] = {
    "ElastAlert2 spike ×3, 1 h against 1 h": spike,
    "the same, at least 10 before": spike_with_reference,
    "share > .4 over 1 h (Grafana threshold)": static_share,
    "3σ of the 5-minute count against 24 h": three_sigma_count,
    "3σ of the hourly share against 24 h": three_sigma_share,
    "twice the same hour last week": twice_last_week,
    "seasonal CUSUM of log likelihood, h = 8": cusum,
}
SHORT: Mapping[str, str] = dict(  # names for the command line
    zip(("spike", "spike-10", "share-0.4", "sigma-count", "sigma-share", "last-week", "cusum"), PEERS, strict=True)
)
