from __future__ import annotations

import pytest
from hypothesis import settings
from support.isolation import isolated_home  # noqa: F401 - a fixture

settings.register_profile("any-machine", deadline=None)  # how long an example takes says more of the machine
settings.load_profile("any-machine")


@pytest.fixture(autouse=True)
def _away_from_the_users_files(isolated_home):  # noqa: F811
    """Every test here has a home of its own."""
