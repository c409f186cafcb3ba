"""Rules as people write them: a whole one becomes a rule, a mistake is told with the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import SettingsError
from pipeline.records import HOUR, MINUTE
from pipeline.rule_settings import rule_of
from pipeline.rules import Rule
from pipeline.settings import load

GOOD = 'name = "strong"\nkind = "share"\nabove = 0.5\n'


def rules(tmp_path: Path, *tables: str) -> list[Rule]:
    file = tmp_path / "moodstream.toml"
    file.write_text("".join(f"[[rules]]\n{table}\n" for table in tables), encoding="utf-8")
    return [rule_of(one) for one in load(file).rules]


def test_a_whole_rule(tmp_path: Path) -> None:
    """Every key of the table is in the rule; lengths of time are milliseconds."""
    text = GOOD + 'topics = ["tea"]\nover = "2h"\nfor = "15m"\nmin_n = 50\nclear = 0.4\nseverity = "tone"\ncooldown = "1d"'
    expected = Rule("strong", "share", 0.5, "above", ("tea",), "", 2 * HOUR, 15 * MINUTE, 50, 0.4, "tone", 24 * HOUR)
    assert [expected] == rules(tmp_path, text)


def test_defaults(tmp_path: Path) -> None:
    """An hour, at once, twenty posts, a tenth of the limit back; a volume has no least number of posts."""
    strong, silent = rules(tmp_path, GOOD, 'name = "silent"\nkind = "volume"\nbelow = 5')
    assert (HOUR, 0, 20, pytest.approx(0.45), "incident") == (strong.over, strong.lasts, strong.min_n, strong.clear, strong.severity)
    assert ("below", 0.0, pytest.approx(5.5)) == (silent.side, silent.min_n, silent.clear)


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        ([GOOD + "abuve = 1"], "did you mean above"),
        ([GOOD + 'fro = "5m"'], "did you mean for"),
        ([GOOD, GOOD], "'strong' is used twice"),
        (['name = "x"\nkind = "shares"\nabove = 1'], "'share', 'intensity', 'volume' or 'term'"),
        (['name = "x"\nkind = "share"'], "give one limit, `above` or `below`"),
        ([GOOD + "below = 0.1"], "not both"),
        (['name = "x"\nkind = "share"\nabove = 40'], "between 0 and 1, not 40"),
        (['name = "x"\nkind = "term"\nabove = 0.1'], "`term` is the word or phrase"),
        (['name = "x"\nkind = "term"\nabove = 0.1\nterm = "?!"'], "`term` is the word or phrase"),
        ([GOOD + 'term = "late"'], "of no other kind"),
        ([GOOD + "min_n = 0"], "min_n: Input should be greater than or equal to 1"),
        (['name = "x"\nkind = "volume"\nabove = 5\nmin_n = 3'], "leave `min_n` out"),
        ([GOOD + "clear = 0.6"], "`clear` must lie on the other side"),
        ([GOOD + 'over = "7m"'], "multiple of 5m"),
        ([GOOD + 'over = "2d"'], "at most 1d"),
        ([GOOD + 'over = "0m"'], "at least 5m"),
        ([GOOD + 'for = "soon"'], "is not a length of time"),
        ([GOOD + 'severity = "pipeline"'], "severity"),
        (['name = ""\nkind = "share"\nabove = 0.5'], "name"),
    ],
)
def test_a_mistake_in_a_rule_is_named(tmp_path: Path, tables: list[str], told: str) -> None:
    """What is missing, contradicts itself or is out of range is a SettingsError that says what to write."""
    with pytest.raises(SettingsError) as raised:
        rules(tmp_path, *tables)
    assert told in str(raised.value)
