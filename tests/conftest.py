"""What is run only where `-m` names it."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """`ranges` builds virtual environments: CI asks for it by `-m ranges`, nobody gets it unasked."""
    if "ranges" not in config.option.markexpr:
        unasked = [item for item in items if item.get_closest_marker("ranges")]
        items[:] = [item for item in items if item not in unasked]
        config.hook.pytest_deselected(items=unasked)
