"""What is run only where `-m` names it, and what in several processes."""

from __future__ import annotations

import os
import sys

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
        cores = config.hook.pytest_xdist_auto_num_workers(config=config)
        option.numprocesses = min(cores + 1, _MOST_PROCESSES)  # some wait for processes and sockets
        option.dist = "worksteal"  # neighbours stay together, and with them what a module makes once


def pytest_configure(config: pytest.Config) -> None:
    """Where PYTHONDONTWRITEBYTECODE is set, compiled files are kept in pytest's own cache, away from the sources.

    Otherwise each of the hundreds of Pythons that tests start compiles whatever it imports, and so does each worker.
    """
    if sys.dont_write_bytecode and hasattr(config, "cache"):
        sys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"] = str(config.cache.mkdir("bytecode"))
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        sys.dont_write_bytecode = False


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """`ranges` builds virtual environments: CI asks for it by `-m ranges`, nobody gets it unasked."""
    if "ranges" not in config.option.markexpr:
        unasked = [item for item in items if item.get_closest_marker("ranges")]
        items[:] = [item for item in items if item not in unasked]
        config.hook.pytest_deselected(items=unasked)
