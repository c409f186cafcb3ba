"""What every test may ask for, and what a skip means.

A skip whose reason starts with `unavailable:` can't run on this machine (no licensed data, no CUDA). With --strict-skips
(`make check STRICT=1`) any other skip fails the run.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is slow at random moments: no property test may fail for that.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

ROOT = Path(__file__).resolve().parents[1]
UNAVAILABLE = "unavailable:"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--strict-skips", action="store_true", help="fail on a skip of a test that this machine could run")
    parser.addoption("--write-screenshots", action="store_true", help="write the pictures of docs/images")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Turn a skip that need not be into a failure, so that green means tested."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not session.config.getoption("--strict-skips") or reporter is None:
        return
    skipped = [report for report in reporter.stats.get("skipped", []) if UNAVAILABLE not in str(report.longrepr)]
    if skipped:
        reporter.write_line(f"--strict-skips: {len(skipped)} tests were skipped that this machine could run", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The licensed data beside the repository; the test is skipped where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"{UNAVAILABLE} licensed data not found at ../shared/data")
    return folder
