"""One real cluster for all end-to-end tests: brought up once, torn down at the end."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from support import residue
from support.chart_repository import serving
from tool import SOMEONE_ELSES, UP_SECONDS, Ended, Tool

from canarylab.providers.embedded.programs.built import built


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """These need a machine that can hold a cluster; everywhere else they are skipped, and say why."""
    here = Path(__file__).parent
    can = platform.system() == "Linux" and os.geteuid() == 0
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.timeout(UP_SECONDS + 600))
            if not can:
                item.add_marker(pytest.mark.skip(reason="an embedded cluster needs Linux and root"))


@pytest.fixture(scope="session")
def before() -> dict[str, set[str]]:
    return residue.snapshot()


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's kubeconfig with another cluster in it, which is current."""
    path = tmp_path_factory.mktemp("kube") / "config"
    path.write_text(yaml.safe_dump(SOMEONE_ELSES))
    return path


@pytest.fixture(scope="session")
def tool(kubeconfig: Path, before: dict[str, set[str]]) -> Iterator[Tool]:  # noqa: ARG001 - taken before anything is made
    """The tool for the profile `e2e`; whatever the tests leave is removed at the end."""
    made = Tool("e2e", kubeconfig)
    made.text("teardown")
    yield made
    made.text("teardown")


@pytest.fixture(scope="session")
def first_up(tool: Tool) -> Ended:
    """The cluster, up."""
    ended = tool.run("up", timeout=UP_SECONDS)
    assert ended.code == 0, ended.explain()
    return ended


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the embedded provider compiles: clusters of other providers are made of it, and get their tools from it."""
    if not built().is_complete:
        builder = Tool("e2e-programs", tmp_path_factory.mktemp("programs") / "config")
        outcome = builder.run("up", "--only", "programs", timeout=UP_SECONDS)
        assert outcome.code == 0, outcome.explain()
        builder.text("teardown")
    return built().folder


@pytest.fixture(scope="session")
def mirror(programs: Path) -> Iterator[str]:  # noqa: ARG001 - what it serves is built
    """Istio's chart repository and Argo's releases, on the loopback."""
    with serving() as server:
        yield server.url
