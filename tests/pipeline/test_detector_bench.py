"""The benchmark counts what it says it counts, and the peer rules and NAB's scores are what their definitions say."""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from pipeline import bench_words, nab, peer_rules
from pipeline.bench_alerts import OURS, Job, Outcome, judge, run
from pipeline.bench_plot import svg
from pipeline.errors import InputError
from pipeline.peer_rules import PEERS, Counted
from pipeline.simulate import PER_DAY, Scenario, Spike, Stream, simulate

SMALL = Scenario(topics=6, warm_days=1, days=4, spikes=1, decoys=0)
WARM = PER_DAY


@pytest.fixture(scope="module")
def stream() -> Stream:
    """Six topics with one spike each, of which topic 2's lies in bins 400..412 with ten extra negatives."""
    made = simulate(1, SMALL)
    others = [replace(spike, extra=2.0) for spike in made.spikes if spike.topic != 2]
    return replace(made, spikes=[*others, Spike(2, 400, 412, 4.0, 1.0, 10.0)])


@pytest.mark.parametrize(
    ("bins", "hits", "true", "false", "delays"),
    [
        ([400], 1, 1, 0, (5,)),
        ([403, 410], 1, 2, 0, (20,)),
        ([417], 1, 1, 0, (90,)),
        ([418], 0, 1, 0, ()),
        ([435], 0, 1, 0, ()),
        ([436], 0, 0, 1, ()),
        ([399], 0, 0, 1, ()),
        ([WARM - 1], 0, 0, 0, ()),
    ],
)
def test_an_alert_is_a_hit_true_or_false_by_its_time(
    stream: Stream, bins: list[int], hits: int, true: int, false: int, delays: tuple[int, ...]
) -> None:
    """A hit until 30 minutes after the end, forgiven until two hours after it, false else; the warm-up doesn't count."""
    outcome = judge(stream, [(2, b) for b in bins])
    assert (1, hits, true, false, delays) == (outcome.detectable, outcome.hits, outcome.true, outcome.false, outcome.delays)
    assert len(bins) == outcome.messages or not hits


def test_outcomes_add_up(stream: Stream) -> None:
    """The figures of two streams together are those of their counts, not means of ratios."""
    one, two = judge(stream, [(2, 400)]), judge(stream, [(3, 300), (0, 500)])
    both = one + two
    assert (2, 1, 1, 48) == (both.detectable, both.hits, both.true, both.topic_days)
    assert one.false + two.false == both.false
    assert (2, 1) == both.tiers[2.0][:2]
    assert 0.5 == both.to_json()["recall"]
    assert 15.0 == both.to_json()["delay_median_with_lateness_minutes"]


def test_figures_without_a_denominator_are_null() -> None:
    """No spike and no alert: no recall, no precision, no delay, instead of a division by zero."""
    calm = simulate(2, replace(SMALL, spikes=0))
    figures = judge(calm, []).to_json()
    assert [None, None, None, None] == [figures[k] for k in ("recall", "precision", "delay_median_minutes", "messages_per_spike")]
    assert 0.0 == figures["false_alarms_per_topic_day"]


def test_jobs_run_in_processes_and_add_over_seeds() -> None:
    """Two seeds of one detector are one row."""
    jobs = [Job(OURS, seed, SMALL) for seed in (1, 2)] + [Job("spike", 1, SMALL, rule=next(iter(PEERS)))]
    outcomes = run(jobs, workers=1)
    assert [OURS, "spike"] == list(outcomes)
    assert 2 * SMALL.topics * SMALL.days == outcomes[OURS].topic_days


def counted(x: list[int], n: list[int] | None = None) -> Counted:
    """One topic; five times as many posts as negatives unless given."""
    negatives = np.array(x)[:, None]
    return Counted(np.array(n)[:, None] if n else negatives * 5, negatives, 0)


def test_spike_needs_three_times_the_hour_before_and_ten() -> None:
    """10 after 3 fires, 9 doesn't, 10 after 4 doesn't; with a reference of ten neither does."""
    hour = [0] * 11
    assert [(0, 23)] == peer_rules.spike(counted([3, *hour, *hour, 10]))
    assert [] == peer_rules.spike(counted([3, *hour, *hour, 9]))
    assert [] == peer_rules.spike(counted([4, *hour, *hour, 10]))
    assert [] == peer_rules.spike_with_reference(counted([3, *hour, *hour, 10]))


def test_a_static_threshold_speaks_when_it_is_crossed() -> None:
    """Over .4 of at least 20 posts: once while it stays there, again after it fell."""
    x = [0] * 12 + [20] * 10 + [0] * 20 + [20] * 10
    assert [(0, 16), (0, 46)] == peer_rules.static_share(counted(x, [20] * len(x)))


def test_rules_that_keep_firing_are_silent_for_an_hour() -> None:
    """Three deviations over the last day: once an hour while the count stays high."""
    rng = np.random.default_rng(1)
    x = [*rng.poisson(5, 600).tolist(), *[60] * 20]
    found = peer_rules.three_sigma_count(counted(x))
    assert [(0, 600), (0, 612)] == [alert for alert in found if alert[1] >= 600]


def test_a_share_far_from_the_last_day_fires() -> None:
    """The hourly share at .2 for a day, then at .6."""
    rng = np.random.default_rng(2)
    x = np.concatenate([rng.binomial(20, 0.2, 600), rng.binomial(20, 0.6, 12)]).tolist()
    found = peer_rules.three_sigma_share(counted(x, [20] * len(x)))
    assert any(600 <= b <= 606 for _, b in found)


def test_twice_last_week_looks_at_the_same_hour() -> None:
    """20 against 10 a week ago fires; 19 doesn't."""
    week = [0] * (7 * PER_DAY - 1)
    assert [(0, 7 * PER_DAY)] == peer_rules.twice_last_week(counted([10, *week, 20]))
    assert [] == peer_rules.twice_last_week(counted([10, *week, 19]))


def test_the_cusum_finds_a_tripled_share_and_clears() -> None:
    """Five usual days, then two hours of .6: one alert near its start."""
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.binomial(20, 0.2, 5 * PER_DAY), rng.binomial(20, 0.6, 24), rng.binomial(20, 0.2, 100)]).tolist()
    (alert,) = [b for _, b in peer_rules.cusum(counted(x, [20] * len(x))) if b >= 5 * PER_DAY]
    assert alert <= 5 * PER_DAY + 3


def series(windows: tuple[tuple[int, int], ...]) -> nab.Series:
    """A thousand rows, of which 150 are probation."""
    return nab.Series("x", tuple(range(0, 300_000_000, 300_000)), (1.0,) * 1000, windows)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], 0.0),
        ([500], 100.0),
        ([500, 510, 550], 100.0),
        ([100], 0.0),
        ([300], 100 * -0.11 / 2),
        ([599], 100 * (1 + nab.scaled_sigmoid(-0.01) / nab.scaled_sigmoid(-1)) / 2),
        ([500, 650], 100 * (2 + 0.11 * nab.scaled_sigmoid(51 / 99)) / 2),
        ([500, 999], 100 * (2 - 0.11) / 2),
    ],
)
def test_nab_scores_by_nab_s_rules(rows: list[int], expected: float) -> None:
    """Nothing: 0; a window's first row: 100; later is less; only the first counts; outside costs by distance; probation is free."""
    assert nab.score([series(((500, 599),))], [rows]).profiles["standard"] == pytest.approx(expected)


def test_nab_profiles_weigh_false_alarms_and_misses() -> None:
    """A false alarm costs twice as much in the low-FP profile; a miss counts double in the low-FN profile."""
    false = nab.score([series(((500, 599),))], [[300, 500]]).profiles
    assert 100 - false["low FP"] == pytest.approx(2 * (100 - false["standard"]))
    missed = nab.score([series(((500, 599), (800, 899)))], [[500]]).profiles
    assert 50.0 == pytest.approx(missed["standard"])
    assert missed["low FN"] == pytest.approx(100 * 3 / 6)


def test_the_volume_rule_holds_its_score_on_nab(shared_data: Path) -> None:
    """On the five series that lie beside the repository: at least 78 of 100, at most .08 false onsets per topic-day."""
    found = nab.load(shared_data / "nab_realtweets")
    score = nab.score(found, nab.volume_alerts(found))
    assert 5 == len(found)
    assert 16 == score.windows
    assert score.profiles["standard"] >= 78
    assert score.false_per_topic_day <= 0.08


def test_a_folder_without_nab_is_an_error(tmp_path: Path) -> None:
    """The message names the files that it needs."""
    with pytest.raises(InputError, match=r"Twitter_volume_\*\.csv"):
        nab.load(tmp_path)


def test_the_picture_is_one_well_formed_file() -> None:
    """Every detector is drawn, nothing is loaded from elsewhere, and names are escaped."""
    one = Outcome(10, 9, 9, 2, 9, 100, (20,) * 9, (), {})
    drawn = svg({OURS: one, f"{OURS}, threshold 1": one, **dict.fromkeys(PEERS, one), "a harder stream": one})
    root = ElementTree.fromstring(drawn)
    assert 2 + len(PEERS) == len(root.findall(".//{http://www.w3.org/2000/svg}circle"))
    assert "http" not in drawn.replace("http://www.w3.org/2000/svg", "")


def test_a_model_that_is_always_right_changes_nothing() -> None:
    """With probabilities of 0 and 1 the replayed stream is the stream itself; with blunt ones the sum is what they promise."""
    made = simulate(1, SMALL)
    rng = np.random.default_rng(1)
    sharp = bench_words.pool(np.repeat([1.0, 0.0], 50), np.repeat([True, False], 50))
    assert np.array_equal(made.x, bench_words.replayed(made, sharp, rng).x)
    blunt = bench_words.pool(rng.uniform(0.1, 0.5, 400), np.repeat([True, False], 200))
    seen = bench_words.replayed(made, blunt, rng).x
    assert made.n.sum() * 0.3 == pytest.approx(seen.sum(), rel=0.05)
    assert (seen <= made.n).all()


def test_a_thinned_stream_keeps_the_share() -> None:
    """A fifth of the posts, drawn by chance from negatives and others alike."""
    made = simulate(1, SMALL)
    less = bench_words.thinned(made, 0.2, np.random.default_rng(1))
    assert 0.2 * made.n.sum() == pytest.approx(less.n.sum(), rel=0.03)
    assert made.x.sum() / made.n.sum() == pytest.approx(less.x.sum() / less.n.sum(), rel=0.03)
    assert (less.x <= less.n).all()
    assert 1.0 == bench_words.pool(np.repeat([1.0, 0.0], 50), np.repeat([True, False], 50)).sharpness


def test_the_replay_has_all_rows() -> None:
    """Labels, probabilities and the limit are judged on the same spikes."""
    words = bench_words.pool(np.linspace(0, 1, 100), np.arange(100) >= 50)
    found = bench_words.run([1], words, SMALL)
    assert ["labels of people", "probabilities of the model", bench_words.LIMIT] == list(found)
    assert 1 == len({outcome.detectable for outcome in found.values()})
