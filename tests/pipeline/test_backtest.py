"""Backtest and calibration: one walk answers for every sensitivity, and copies in which nothing happened say how much is false."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from consumers.stores.sqlite import SqliteStore
from pipeline.backtest import backtest, of_detector, of_peer
from pipeline.backtested import Backtest
from pipeline.calibrate import calibrate, within
from pipeline.crossings import Crossings
from pipeline.detector import DetectorConfig
from pipeline.errors import InputError, NotFoundError
from pipeline.records import BIN, DAY, Bin
from pipeline.redrawn import History, history, redrawn, usual
from pipeline.simulate import PER_DAY, Scenario, Stream, simulate
from pipeline.stories import Teller, Told

SMALL = Scenario(topics=6, tiers=(2.0, 10.0, 50.0), warm_days=4, days=6, spikes=2, decoys=1)


def bins_of(stream: Stream) -> list[Bin]:
    """The non-empty bins of a simulated stream, by start then topic."""
    return [
        Bin(str(topic), stream.time(b), float(stream.n[b, topic]), float(stream.n[b, topic]), int(stream.n[b, topic]),
            float(stream.x[b, topic]), 0, 0)
        for b, topic in np.argwhere(stream.n > 0).tolist()
    ]  # fmt: skip


def told(bins: Sequence[Bin], config: DetectorConfig) -> list[Told]:
    """What the service's walk says over all of the bins."""
    walk, teller = Crossings(bins[0].start, config), Teller()
    for _, events in walk.walk(bins, bins[-1].start + BIN):
        teller.take(events)
    return teller.stories


@pytest.fixture(scope="module")
def bins() -> list[Bin]:
    """Ten days of six topics with two spikes each."""
    return bins_of(simulate(41, SMALL))


@pytest.fixture(scope="module")
def tested(bins: list[Bin]) -> Backtest:
    """The detector over topic 2 since the fifth day."""
    return of_detector(bins, "2", SMALL.start + 4 * DAY, bins[-1].start + BIN, DetectorConfig())


@pytest.mark.parametrize("level", [-1.0, 0.0, 2.0])
def test_a_backtest_tells_what_the_service_would_have_told(bins: list[Bin], tested: Backtest, level: float) -> None:
    """At each sensitivity the messages are those of the service with that setting: onset, firing, severity and expectation."""
    stories = told(bins, replace(DetectorConfig(), sensitivity=(("2", level),)))
    expected = [
        (one.alarm.onset, one.alarm.fired, one.severity, round(one.alarm.expected, 4))
        for one in stories
        if one.alarm.topic == "2" and one.severity != "annotation" and one.alarm.fired >= tested.since
    ]
    assert expected
    assert expected == [(m.onset, m.fired, m.severity, m.expected) for m in tested.level(level).messages]


def test_less_is_false_the_higher_the_bar(tested: Backtest) -> None:
    """Expected false alarms fall from the lowest to the highest sensitivity, and there are some at the lowest."""
    rates = [level.false_per_week for level in tested.levels]
    assert rates[0] > rates[-1]
    assert rates[0] > 0.3


def test_figures_of_a_message_are_those_of_its_bins(bins: list[Bin], tested: Backtest) -> None:
    """Share and posts are sums over the bins from onset to fired."""
    message = tested.level(0.0).messages[0]
    window = [item for item in bins if item.topic == "2" and message.onset <= item.start <= message.fired]
    assert (sum(item.n for item in window), round(sum(item.negative for item in window) / message.n, 4)) == (message.n, message.share)


def test_a_usual_rule_is_tested_beside_it(bins: list[Bin]) -> None:
    """ElastAlert2's spike rule cries wolf on copies in which nothing happened, and says so."""
    found = of_peer(bins, "2", SMALL.start + 4 * DAY, bins[-1].start + BIN, "spike", DetectorConfig())
    assert found.levels[0].messages
    assert found.levels[0].false_per_week > 0.5


def test_a_copy_has_the_posts_and_the_usual_share_of_the_history() -> None:
    """Labels of a copy are within 0..n and within a tenth of the usual share over all; no two copies are equal."""
    stream = simulate(42, replace(SMALL, spikes=0))
    real = history(bins_of(stream), [str(i) for i in range(6)], stream.time(len(stream.n)))
    known = usual(real, DetectorConfig())
    one, two = (redrawn(real, known, np.random.default_rng(seed)) for seed in (1, 2))
    assert ((one >= 0) & (one <= real.n)).all()
    assert real.x.sum(axis=0) == pytest.approx(one.sum(axis=0), rel=0.1)
    assert not np.array_equal(one, two)


def test_sharp_scores_scatter_more_than_blunt_ones() -> None:
    """Probabilities of .1 and .3 vary less than labels of 0 and 1, and the copies know it."""
    rng = np.random.default_rng(3)
    n = np.full((4 * PER_DAY, 2), 3.0)
    labels = rng.binomial(3, 0.2, len(n)).astype(float)
    blunt = rng.binomial(3, 0.5, len(n)) * 0.2 + 0.3
    known = usual(History(("sharp", "blunt"), 20_000 * DAY, n, np.stack([labels, blunt], 1), n, n), DetectorConfig())
    assert known.spread[0] > 0.8
    assert known.spread[1] < 0.3


def test_the_threshold_keeps_within_the_budget(bins: list[Bin]) -> None:
    """A smaller budget asks for a higher threshold, and the curve at the answer is within the budget."""
    two = [item for item in bins if item.topic in ("1", "2")]
    strict, loose = calibrate(two, 0.2, most_copies=2), calibrate(two, 1.0, most_copies=2)
    assert strict.threshold is not None
    assert loose.threshold is not None
    assert strict.threshold > loose.threshold
    assert all(rate <= 0.2 for threshold, rate in strict.curve if threshold >= strict.threshold)
    assert {"1", "2"} == {topic for topic, _ in strict.topics}


@pytest.mark.parametrize(
    ("rates", "budget", "threshold"),
    [((8.0, 4.0, 2.0), 4.0, 1.0), ((8.0, 4.0, 2.0), 10.0, 0.0), ((8.0, 4.0, 2.0), 2.83, 1.5), ((8.0, 4.0, 2.0), 1.0, None)],
)
def test_a_threshold_lies_on_the_line_between_two(rates: tuple[float, ...], budget: float, threshold: float | None) -> None:
    """The lowest threshold within the budget, in tenths, by the logarithm of the rate; None if none is."""
    assert threshold == within((0.0, 1.0, 2.0), rates, budget)


def test_a_short_history_is_not_calibrated(bins: list[Bin]) -> None:
    """Less than a week says so instead of guessing."""
    with pytest.raises(InputError, match="at least 7 days"):
        calibrate([item for item in bins if item.start < SMALL.start + 3 * DAY], 1.0)


def test_unknown_names_are_named(tmp_path: Path) -> None:
    """A topic or a rule that isn't there, and a topic without posts, are errors that say what to do."""
    store = SqliteStore.open(tmp_path / "empty.db", now=lambda: 0)
    store.add_topic("tea")
    with pytest.raises(NotFoundError, match="rule"):
        backtest(store, "tea", 0, DetectorConfig(), "spikes")
    with pytest.raises(NotFoundError, match="tea"):
        backtest(store, "te", 0, DetectorConfig())
    with pytest.raises(InputError, match="no posts"):
        backtest(store, "tea", 0, DetectorConfig())
    store.close()
