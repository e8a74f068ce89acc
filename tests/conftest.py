"""What every test may ask for: ports, services that CI must have, and the command line as a subprocess."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator
from typing import NoReturn

import pytest

from tests.ports import free_ports


def pytest_configure() -> None:
    """Heed Ctrl-C: where a shell runs the tests in the background it is ignored, and programs inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what waits for processes and brokers: what computes goes on beside it, and fills the end."""
    items.sort(key=lambda item: "integration" not in item.path.parts)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make what a test has logged fit to be sent to the process that reports: it may hold half a character."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show why tests that passed when they were tried once more had failed: pytest names them and no more."""
    for report in terminalreporter.getreports("rerun"):
        terminalreporter.section(f"{report.nodeid} failed ({report.when}), and was tried once more")
        terminalreporter.write_line(report.longreprtext)


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Generator[None]:
    """Keep documents of tests out of the user's own cache folder, in subprocesses too."""
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = before


@pytest.fixture(scope="session")
def required_in_ci() -> Callable[[str], NoReturn]:
    """Return ``required_in_ci(reason)``: skips at a desk, fails in CI (where the variable CI is set)."""

    def missing(reason: str) -> NoReturn:
        if os.environ.get("CI"):
            pytest.fail(f"{reason} (required in CI)", pytrace=False)
        pytest.skip(reason)

    return missing


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Return ``free_port()``: see ``free_ports``."""
    process = os.environ.get("PYTEST_XDIST_WORKER", "gw0")  # of those that run tests side by side
    return free_ports(int(process.removeprefix("gw")))
