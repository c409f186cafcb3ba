"""When does the negative share of a topic leave what is usual? A small forward filter per topic over five-minute bins.

State of a topic: the joint probability of a regime and of the slow drift of the logit (pipeline/regimes.py). One bin is one step of a
hidden Markov filter with a tempered binomial likelihood; a contamination term lets a single bin be anything, so that one bin
of copies is no alert. The volume rule (pipeline/volume.py) runs beside it and makes a change of tone an incident.

Time is an argument, nothing is read or written, and the state after a bin depends on the bins up to it only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.baseline import Baseline, BaselineConfig, BaselineState, Group, Observed, sigmoid
from pipeline.records import BIN, DAY, HOUR
from pipeline.regimes import OFFSETS, Chain, calm, rouwenhorst
from pipeline.snapshot import Array, Floats, append, columns, pack, unpack
from pipeline.volume import VolumeConfig, VolumeRule, VolumeState

VERSION = 3  # of the saved state; another one is rebuilt from bins
LAST_HOUR = HOUR // BIN

Kind = Literal["share", "volume", "both"]


@dataclass(frozen=True, slots=True)
class DetectorConfig:
    """Constants of the filter; docs/detector.md says what each was worth."""

    threshold: float = 0.0  # log-odds of "not normal" at which a topic fires
    sensitivity: tuple[tuple[str, float], ...] = ()  # topic → added to its threshold
    habituation: float = 1.0  # the threshold rises by this with each alert of the topic beyond the usual
    usual_alerts: float = 1.0  # of a topic, in a decayed count
    habituation_half_life: float = 10.0  # days
    volume_bonus: float = 2.5  # a rare volume lowers the threshold by up to this
    rare_volume: float = 2.0  # −ln(exceedances per day) from which on it is rare: once a week
    steady_rise: float = 0.4  # logarithm of volume over usual, without the largest bin, that counts in full
    hazard: float = 1 / 1700  # a change every six days
    duration: float = 36  # bins that a change lasts
    move: float = 0.05  # a change becomes another size
    grid: int = 7
    contamination: float = 0.02  # bins with `jump` times the usual posts that may be anything, e.g. copies of one post
    contamination_stays: float = 0.35  # the next one may be too
    jump: float = 2.0  # the part grows with the square of the volume over the usual one,
    jump_least: float = 0.1  # from this many times as much
    jump_most: float = 25.0  # to this many: half of the bins
    clear_below: float = -2.0
    clear_bins: int = 3
    clear_offset: float = 0.3  # logits above usual, at most
    cooldown: int = 6  # bins
    window: int = 48  # bins that are kept to find the onset
    lasting: int = DAY // BIN  # bins after which a change is the new level
    min_negative: float = 6.0  # in the last hour, before anybody is told
    min_excess: float = 4.0  # more than usual, as sharp labels would count them
    min_besides: float = 3.0  # of these, outside of the bin that has most
    baseline: BaselineConfig = field(default_factory=BaselineConfig)
    volume: VolumeConfig = field(default_factory=VolumeConfig)

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> DetectorConfig:
        """The inverse of `dataclasses.asdict`, also after JSON made lists of tuples."""
        parts = {"baseline": BaselineConfig(**saved["baseline"]), "volume": VolumeConfig(**saved["volume"])}
        return cls(**{**saved, **parts})

    def __post_init__(self) -> None:
        """Lists, as JSON has them, become tuples, so that a saved configuration equals the one that was saved."""
        object.__setattr__(self, "sensitivity", tuple(sorted((topic, float(added)) for topic, added in self.sensitivity)))


@dataclass(frozen=True, slots=True)
class Firing:
    """A topic left what is usual. Figures are over the bins from `onset` to `fired`, both included."""

    topic: str
    kind: Kind
    fired: int  # start of that bin, ms
    onset: int  # start of the most probable first bin of the change, ms
    n: float
    negative: float
    share: float | None
    expected: float  # share that is usual for these bins
    expected_low: float  # 95 % interval of a share of n posts: base, drift and sampling
    expected_high: float
    log_odds: float
    volume: float
    expected_n: float  # volume that is usual for these bins
    volume_ratio: float
    cold: bool = False  # the installation is younger than two days: prior values


@dataclass(frozen=True, slots=True)
class Escalated:
    """The volume of a topic became rare while its share was already off: a change of tone is now an incident."""

    topic: str
    at: int
    volume_ratio: float


@dataclass(frozen=True, slots=True)
class Cleared:
    """The end of an episode. `lasting`: it went on for a day and is the new level."""

    topic: str
    kind: Kind
    at: int
    lasting: bool = False


DetectorEvent = Firing | Escalated | Cleared


@dataclass
class FilterState:
    """What the fast step remembers; shapes end with the number of topics T."""

    belief: Floats  # (REGIMES, K, T)
    past: NDArray[np.float32]  # (window, REGIMES, K, T) beliefs of the last bins; bin t at (t / BIN) mod window
    recent: Floats  # (5, window, T) posts, negatives, negatives that are usual, volume, usual volume; bins as in `past`
    foreign: Floats  # probability that the last bin was not what it seemed
    active: NDArray[np.bool_]
    since: NDArray[np.int64]  # ms of the bin that fired; of the change's firing while active
    below: NDArray[np.int64]  # bins in a row under clear_below
    cool: NDArray[np.int64]  # bins of cool-down left
    alerts: Floats  # decayed number of past alerts
    escalated: NDArray[np.bool_]  # the episode is one of volume too
    volume_active: NDArray[np.bool_]  # a rare volume without a change of tone
    volume_since: NDArray[np.int64]
    volume_below: NDArray[np.int64]


class Detector:
    """The share filter and the volume rule over a set of topics that may grow."""

    def __init__(self, topics: Sequence[str], start: int, config: DetectorConfig | None = None) -> None:
        """Begin at the bin that holds `start` (ms) with nothing learnt."""
        self.config = config or DetectorConfig()
        self.topics: list[str] = list(topics)
        self.start = start - start % BIN
        self.next = self.start  # the bin that comes next
        self.baseline = Baseline(len(self.topics), self.config.baseline)
        self.volume = VolumeRule(len(self.topics), self.config.volume)
        self.state = self._fresh(len(self.topics))
        self._settle()

    # ---- bins in, events out ----

    def step(self, t: int, n: ArrayLike, x: ArrayLike, volume: ArrayLike, n_raw: ArrayLike | None = None) -> list[DetectorEvent]:
        """Take the bin starting at t ms: scored posts n, negatives x, all posts, scored documents, each (T,) in the order of `topics`.

        Bins between the last one and t had no posts. Raises ValueError for a bin that was taken before or that doesn't start on a border.
        """
        if t % BIN or t < self.next:
            raise ValueError(f"bin {t} is not one that can come next; next is {self.next}, in steps of {BIN}")
        events: list[DetectorEvent] = []
        nothing = np.zeros(len(self.topics))
        while self.next < t:
            events += self._bin(self.next, Observed(nothing, nothing, nothing), nothing)
        posts = np.asarray(n, float)
        documents = posts if n_raw is None else np.asarray(n_raw, float)
        return events + self._bin(t, Observed(posts, np.asarray(x, float), documents), np.asarray(volume, float))

    def add_topics(self, topics: Sequence[str]) -> None:
        """Watch more topics from the next bin on; known names are left as they are."""
        new = [topic for topic in dict.fromkeys(topics) if topic not in set(self.topics)]
        if not new:
            return
        self.topics += new
        self.baseline.add_topics(len(new))
        self.volume.add_topics(len(new))
        append(self.state, self._fresh(len(new)))
        self._settle()

    def learn_nothing_from(self, topics: Collection[str]) -> None:
        """These topics (doubles of others, for a backtest) take from what is learnt over all topics and give nothing to it."""
        teaches = np.array([topic not in topics for topic in self.topics], bool)
        self.baseline.teaches = self.volume.teaches = teaches

    # ---- what it knows ----

    @property
    def log_odds(self) -> Floats:
        """ln P(not normal)/P(normal) after the last bin (T,)."""
        belief = self.state.belief
        return np.asarray(np.log(belief[1:].sum(axis=(0, 1)) / belief[0].sum(axis=0)))

    @property
    def active(self) -> NDArray[np.bool_]:
        """Topics (T,) whose share is off now."""
        return self.state.active

    @property
    def cold(self) -> bool:
        """The installation is in its first two days: prior values."""
        return self.next - self.start <= 2 * DAY

    def expected_share(self, t: int | None = None) -> Floats:
        """The usual share (T,) in the bin at t, default the last one."""
        return sigmoid(self.baseline.logit(self.next - BIN if t is None else t))

    def expected_volume(self, t: int | None = None) -> Floats:
        """The usual volume (T,) of the bin at t, default the last one."""
        return self.volume.expected(self.next - BIN if t is None else t)

    def interval(self, topic: int, share: float, n: float, bins: int) -> tuple[float, float]:
        """95 % interval of the share of n posts over some bins when `share` is usual: estimate, drift, overdispersed sampling."""
        s = self.baseline.state
        lag = np.exp(-np.abs(np.subtract.outer(np.arange(bins), np.arange(bins))) / self.baseline.tau)
        p = min(max(share, 1e-6), 1 - 1e-6)
        sampling = (self.baseline.sharpness + max(n / bins - 1, 0) * s.rho[topic]) / (max(n, 1.0) * p * (1 - p))
        width = 1.96 * np.sqrt(s.sigma2[topic] * lag.mean() + self.baseline.uncertainty()[topic] + sampling)
        centre = np.log(p / (1 - p))
        return float(sigmoid(centre - width)), float(sigmoid(centre + width))

    # ---- saved and restored ----

    def to_bytes(self) -> bytes:
        """The whole state; `from_bytes` goes on exactly where it stood."""
        meta = {"version": VERSION, "config": asdict(self.config), "topics": self.topics, "start": self.start, "next": self.next}
        parts = {"filter": self.state, "baseline": self.baseline.state, "volume": self.volume.state, "group": self.baseline.group}
        return pack(meta, {f"{part}.{name}": array for part, state in parts.items() for name, array in columns(state).items()})

    @classmethod
    def from_bytes(cls, data: bytes) -> Detector:
        """The detector as it was saved. ValueError if the bytes are damaged or of another version (then rebuild it from bins)."""
        meta, arrays = unpack(data)
        if meta["version"] != VERSION:
            raise ValueError(f"detector state of version {meta['version']}, this is {VERSION}; delete it and it is rebuilt from the bins")
        detector = cls([], meta["start"], DetectorConfig.from_json(meta["config"]))
        detector.topics, detector.next = meta["topics"], meta["next"]
        detector.state = FilterState(**_part(arrays, "filter"))
        detector.baseline = Baseline(
            0, detector.config.baseline, BaselineState(**_part(arrays, "baseline")), Group(**_part(arrays, "group"))
        )
        detector.volume = VolumeRule(len(detector.topics), detector.config.volume, VolumeState(**_part(arrays, "volume")))
        detector._settle()
        return detector

    # ---- the fast step ----

    def _fresh(self, count: int) -> FilterState:
        c = self.config

        def integers(value: int) -> NDArray[np.int64]:
            return np.full(count, value, np.int64)

        belief = np.repeat(calm(c.grid)[:, :, None], count, 2)
        return FilterState(
            belief=belief, past=np.repeat(belief[None].astype(np.float32), c.window, 0),
            recent=np.zeros((5, c.window, count)),
            foreign=np.zeros(count),
            active=np.zeros(count, bool), since=integers(-1), below=integers(0), cool=integers(0), alerts=np.zeros(count),
            escalated=np.zeros(count, bool), volume_active=np.zeros(count, bool), volume_since=integers(-1), volume_below=integers(0),
        )  # fmt: skip

    def _settle(self) -> None:
        """What follows from the baseline and holds until it learns again: the drift's grid (K, T) and its moves."""
        k = self.config.grid
        variance = self.baseline.state.sigma2 + self.baseline.uncertainty()
        self._grid = np.sqrt(variance * (k - 1)) * np.linspace(-1, 1, k)[:, None]
        added = dict(self.config.sensitivity)
        self._sensitivity = np.array([added.get(topic, 0.0) for topic in self.topics])
        drift = rouwenhorst(k, float(np.exp(-1 / self.baseline.tau)))
        self._chain = Chain(drift, self.config.hazard, self.config.duration, self.config.move)

    def _bin(self, t: int, seen: Observed, volume: Floats) -> list[DetectorEvent]:
        s = self.state
        base = self.baseline.logit(t)
        usual_volume, phi = self.volume.expected(t), self.volume.state.phi
        normal = self._advance(seen, base, (volume + phi) / (usual_volume + phi))
        s.past[(t // BIN) % self.config.window] = s.belief
        alert = self.volume.step(t, volume)
        s.recent[:, (t // BIN) % self.config.window] = np.stack([seen.n, seen.x, seen.n * sigmoid(base), volume, usual_volume])
        self.baseline.observe(t, seen, base, normal)
        self.next = t + BIN
        events = self._episodes(t, seen.n > 0, alert)
        if self.next % DAY == 0:
            self.baseline.close_day(self.next)
            self._settle()
        elif self.next % HOUR == 0 and self.baseline.close_hour(self.next):
            self._settle()
        return events

    def _advance(self, seen: Observed, base: Floats, loud: Floats) -> Floats:
        """One step of the filter: predict, weigh by the likelihood of the bin, normalise. `loud`: volume over the usual one (T,).

        Returns the probability (T,) that the bin was normal and is what it seems: the weight of what is learnt from it.
        """
        n, x, c = seen.n, seen.x, self.config
        normal = base + self._grid
        d, sharp = self.baseline.dispersion(seen), self.baseline.sharpness
        share = sharp * sigmoid(normal + OFFSETS[:, None, None]) + (1 - sharp) * sigmoid(normal)
        self._shown = np.log(share / (1 - share)) - normal
        ll = (x / d) * (normal + self._shown) + (n / d) * np.log1p(-share)
        top = ll.max(axis=(0, 1))
        q = (x + 0.5) / (n + 1)
        anything = (x * np.log(q) + (n - x) * np.log1p(-q)) / d
        width = np.sqrt(2 * np.pi * d * np.maximum(n, 1) * q * (1 - q) + 1) / (n + 1)
        jump = np.clip((loud / c.jump) ** 2, c.jump_least, c.jump_most)
        foreign = c.contamination * jump + (c.contamination_stays - c.contamination) * self.state.foreign
        genuine = np.exp(ll - top) * (1 - foreign)
        predicted = self._chain.predict(self.state.belief)
        belief = np.maximum(predicted * (genuine + foreign * width * np.exp(np.minimum(anything - top, 500))), 1e-30)
        total = belief.sum(axis=(0, 1))
        explained = (predicted * genuine).sum(axis=1) / total
        self.state.belief = belief / total
        self.state.foreign = 1 - explained.sum(axis=0)
        return np.asarray(explained[0])

    # ---- episodes ----

    def _episodes(self, t: int, posted: NDArray[np.bool_], alert: NDArray[np.bool_]) -> list[DetectorEvent]:
        """What begins and ends with the bin at t. A topic has one story: a change of tone takes over an open volume episode."""
        s = self.state
        log_odds = self.log_odds
        rare = self.volume.rare()
        cleared, lasting = self._ended(t, log_odds)
        calmed = self._volume_ended(t)
        fired = self._fired(t, posted, log_odds)
        both = fired & (rare | s.volume_active)
        escalated = s.active & ~fired & rare & ~s.escalated
        s.escalated = (s.escalated & s.active & ~fired) | both | escalated
        risen = alert & ~s.active
        s.volume_active = (s.volume_active | risen) & ~s.active
        s.volume_since = np.where(risen, t, s.volume_since)
        events: list[DetectorEvent] = [Cleared(self.topics[i], "share", t, bool(lasting[i])) for i in np.flatnonzero(cleared | lasting)]
        events += [Cleared(self.topics[i], "volume", t) for i in np.flatnonzero(calmed & ~risen & ~fired)]
        begun = np.flatnonzero(fired)
        onsets = self._onsets(begun, t) if begun.size else []
        events += [self._firing(int(i), t, "both" if both[i] else "share", onset) for i, onset in zip(begun, onsets, strict=True)]
        events += [Escalated(self.topics[i], t, float(self.volume.ratio()[i])) for i in np.flatnonzero(escalated)]
        events += [self._firing(int(i), t, "volume", t - (int(self.volume.rarest[i]) - 1) * BIN) for i in np.flatnonzero(risen)]
        if lasting.any():
            self._new_level(lasting)
        return events

    def _ended(self, t: int, log_odds: Floats) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Share episodes that end: back to usual for some bins, or a day old."""
        s, c = self.state, self.config
        s.cool = np.maximum(s.cool - 1, 0)
        back = (log_odds < c.clear_below) & (self._offset() < c.clear_offset)
        s.below = np.where(s.active & back, s.below + 1, 0)
        cleared = s.active & (s.below >= c.clear_bins)
        lasting = s.active & ~cleared & (t - s.since >= c.lasting * BIN)
        s.cool = np.where(cleared | lasting, c.cooldown, s.cool)
        s.active = s.active & ~cleared & ~lasting
        return cleared, lasting

    def _fired(self, t: int, posted: NDArray[np.bool_], log_odds: Floats) -> NDArray[np.bool_]:
        """Topics whose share episode begins; only a bin with posts can begin one."""
        s, c = self.state, self.config
        bins = np.arange(t // BIN - LAST_HOUR + 1, t // BIN + 1) % c.window
        negative, excess = s.recent[1, bins], (s.recent[1, bins] - s.recent[2, bins]) / self.baseline.sharpness
        told = worth_telling(negative.sum(axis=0), excess.sum(axis=0), excess.max(axis=0), c)
        s.alerts = s.alerts * 2 ** (-BIN / (c.habituation_half_life * DAY))
        habit = c.habituation * np.maximum(s.alerts - c.usual_alerts, 0.0)
        threshold = c.threshold + self._sensitivity + habit - c.volume_bonus * self._loudness(s.recent[3:5, bins])
        fired = (log_odds > threshold) & ~s.active & (s.cool == 0) & posted & told
        s.active = s.active | fired
        s.since = np.where(fired, t, s.since)
        s.alerts = s.alerts + fired
        return np.asarray(fired)

    def _loudness(self, volume: Floats) -> Floats:
        """0 … 1 (T,): how sure it is that the volume of the last hour is up, also without its largest bin, which may be copies.

        volume: (2, LAST_HOUR, T) posts, and posts that are usual.
        """
        c, phi = self.config, self.volume.state.phi
        posts, usual = volume.sum(axis=1)
        steady = np.log((posts - volume[0].max(axis=0) + phi) / (usual * (LAST_HOUR - 1) / LAST_HOUR + phi))
        rare = np.clip(self.volume.rarity / c.rare_volume, 0.0, 1.0)
        return np.asarray(rare * np.clip(steady / c.steady_rise, 0.0, 1.0))

    def _volume_ended(self, t: int) -> NDArray[np.bool_]:
        """Volume episodes that end: an hour like it comes every day, three bins in a row, or a day is over."""
        s, c = self.state, self.config
        s.volume_below = np.where(s.volume_active & (self.volume.rarity < 0), s.volume_below + 1, 0)
        ended = s.volume_active & ((s.volume_below >= c.clear_bins) | (t - s.volume_since >= c.lasting * BIN))
        s.volume_active = s.volume_active & ~ended
        return np.asarray(ended)

    def _offset(self) -> Floats:
        """Logits (T,) that the share is above usual after the bin just taken: mean of the change and the drift."""
        belief = self.state.belief
        change = (belief * self._shown).sum(axis=(0, 1))
        return np.asarray(change + (belief.sum(axis=0) * self._grid).sum(axis=0))

    def _new_level(self, topics: NDArray[np.bool_]) -> None:
        """A change that lasted a day is what is usual now; the filter starts again."""
        s = self.state
        self.baseline.new_level(topics, self._offset())
        fresh = calm(self.config.grid)[:, :, None]
        s.belief = np.where(topics, fresh, s.belief)
        s.past = np.where(topics, fresh.astype(np.float32), s.past)
        self._settle()

    def _sums(self, first: int, last: int, topics: int | slice) -> Floats:
        """(5, …) sums of `recent` over the bins first..last."""
        bins = np.arange(first // BIN, last // BIN + 1) % self.config.window
        return np.asarray(self.state.recent[:, bins][..., topics].sum(axis=1))

    def _firing(self, i: int, t: int, kind: Kind, onset: int) -> Firing:
        n, x, usual, volume, usual_volume = (float(v) for v in self._sums(onset, t, i))
        expected = usual / n if n > 0 else float(self.expected_share(t)[i])
        low, high = self.interval(i, expected, n, (t - onset) // BIN + 1)
        phi = float(self.volume.state.phi[i])
        return Firing(
            self.topics[i], kind, t, onset, n, x, x / n if n > 0 else None, expected, low, high, float(self.log_odds[i]),
            volume, usual_volume, (volume + phi) / (usual_volume + phi), self.cold,
        )  # fmt: skip

    def _onsets(self, topics: NDArray[np.int64], t: int) -> list[int]:
        """Starts of the bins in which the present changes most probably began."""
        window, now = self.config.window, t // BIN
        newest_first = [(now - age) % window for age in range(window)]
        ages = self._chain.began(self.state.past[newest_first][..., topics].astype(float))
        return [(now - int(age)) * BIN for age in ages]


def worth_telling(negative: Array, excess: Array, largest: Array, config: DetectorConfig) -> NDArray[np.bool_]:
    """Enough posts for a message: negatives in the last hour, how many more than usual, how many of those besides the largest bin."""
    enough = (negative >= config.min_negative) & (excess >= config.min_excess)
    return np.asarray(enough & (excess - largest >= config.min_besides))


def _part(arrays: dict[str, Array], part: str) -> dict[str, Array]:
    return {name.partition(".")[2]: array for name, array in arrays.items() if name.startswith(part + ".")}
