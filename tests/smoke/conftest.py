from __future__ import annotations

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--wheel", type=Path, help="the wheel that is installed here, and that these tests are about")


@pytest.fixture(scope="session")
def wheel(request: pytest.FixtureRequest) -> Path:
    given: Path | None = request.config.getoption("--wheel")
    if given is None:
        pytest.skip("needs --wheel FILE: run `make wheel-test`")
    return given
