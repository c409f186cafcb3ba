"""The return-period rule: rare volumes alert, usual ones don't, whatever the topic's size and rhythm."""

import numpy as np

from pipeline.records import BIN, DAY
from pipeline.simulate import PER_DAY
from pipeline.volume import VolumeRule

START = 20_000 * DAY


def counts(days: int, seed: int = 1) -> np.ndarray:
    """Four topics of .3 to 100 posts per bin with a daily cycle, (bins, 4)."""
    rng = np.random.default_rng(seed)
    hours = np.arange(days * PER_DAY) / 12
    return rng.poisson(np.array([0.3, 3, 30, 100]) * np.exp(0.8 * np.cos(hours / 24 * 2 * np.pi))[:, None])


def alerts(x: np.ndarray) -> list[tuple[int, int]]:
    """(bin, topic) of every alert of a fresh rule."""
    rule = VolumeRule(x.shape[1])
    return [(b, int(i)) for b, row in enumerate(x) for i in np.flatnonzero(rule.step(START + b * BIN, row.astype(float)))]


def test_a_fivefold_volume_is_rare_in_a_topic_of_any_size() -> None:
    """One hour of ×5 (×20 at a post per hour) alerts once in every topic, within half an hour."""
    x = counts(20)
    at = 17 * PER_DAY + 100
    x[at : at + 12] *= np.array([20, 5, 5, 5])
    x[at : at + 12, 0] += 2
    found = [(b, i) for b, i in alerts(x) if b >= at]
    assert sorted(i for _, i in found) == [0, 1, 2, 3]
    assert max(b for b, _ in found) <= at + 6


def test_a_usual_rhythm_seldom_alerts() -> None:
    """Four topics over 30 days with a daily cycle of ×5 between night and day: at most one alert in ten topic-days."""
    assert len([b for b, _ in alerts(counts(30)) if b >= 7 * PER_DAY]) <= 9


def test_an_alert_is_followed_by_a_day_of_silence() -> None:
    """A volume that stays high is said once a day at most."""
    x = counts(20)
    x[17 * PER_DAY : 18 * PER_DAY] *= 6
    mine = [b for b, i in alerts(x) if i == 2 and 17 * PER_DAY <= b < 18 * PER_DAY]
    assert len(mine) == 1


def test_a_topic_that_never_posted_is_left_alone() -> None:
    """Zeros are no volume to be surprised by, and the first posts of a topic don't alert."""
    x = np.zeros((3 * PER_DAY, 2))
    x[-20:, 1] = 5
    assert alerts(x) == []


def test_a_new_topic_is_calibrated_by_the_others() -> None:
    """A topic of three days alerts at a volume that its elders never had."""
    x = counts(25)
    x[: 20 * PER_DAY, 3] = 0
    at = 23 * PER_DAY + 60
    x[at : at + 12, 3] *= 8
    assert [i for b, i in alerts(x) if b >= at] == [3]
