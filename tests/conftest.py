"""What is run only where `-m` names it, and what in several processes."""

from __future__ import annotations

import os

import pytest

_FAST = "not e2e"
_MOST_PROCESSES = 4


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """The fast tests share nothing, and run on as many cores as there are (`-n 0`: in this process).

    Those with a cluster run in one process and in their order, and so does a bare `pytest`, which has them in it.
    """
    option = config.option
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    if option.markexpr != _FAST or is_worker or option.usepdb or not config.pluginmanager.hasplugin("xdist"):
        return
    if option.numprocesses is None and not option.tx:
        option.numprocesses = min(config.hook.pytest_xdist_auto_num_workers(config=config), _MOST_PROCESSES)
        option.dist = "worksteal"  # neighbours stay together, and with them what a module makes once


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """`ranges` builds virtual environments: CI asks for it by `-m ranges`, nobody gets it unasked."""
    if "ranges" not in config.option.markexpr:
        unasked = [item for item in items if item.get_closest_marker("ranges")]
        items[:] = [item for item in items if item not in unasked]
        config.hook.pytest_deselected(items=unasked)
