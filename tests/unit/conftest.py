from __future__ import annotations

import pytest
from support.isolation import isolated_home  # noqa: F401 - a fixture


@pytest.fixture(autouse=True)
def _away_from_the_users_files(isolated_home):  # noqa: F811
    """Every test here has a home of its own."""
