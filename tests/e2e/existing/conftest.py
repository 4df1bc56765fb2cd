"""A cluster that somebody else brought up and works on, with a registry and a load balancer, for the tests in here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from existing import strangers
from support.foreign_cluster import (
    CONTEXT,
    REGISTRY,
    ForeignCluster,
    LoadBalancer,
    install,
    laboratory,
    own_cache,
    registry,
)
from tool import Tool


@dataclass(frozen=True)
class ExistingTool(Tool):
    """The tool on a context of the user's, and the owner's kubectl to look at it with."""

    owner: ForeignCluster | None = None

    def kubectl(self, *words: str, check: bool = True) -> str:  # noqa: ARG002 - they all have to work
        assert self.owner is not None
        return self.owner.kubectl(*words)


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the cluster, whose images are exported once."""
    return tmp_path_factory.mktemp("foreign")


@pytest.fixture(scope="module")
def foreign(programs: Path, scratch: Path) -> Iterator[ForeignCluster]:
    """The cluster, with what its owners have on it. One at a time: each module gets a new one."""
    install("skopeo", "docker-registry")
    cluster = ForeignCluster(scratch, programs)
    cluster.remove()
    try:
        cluster.up()
        with registry(scratch):
            balancer = LoadBalancer(cluster)
            balancer.start()
            strangers.settle(cluster)
            yield cluster
            balancer.stop()
    finally:
        cluster.remove()


@pytest.fixture(scope="module")
def tool(foreign: ForeignCluster, mirror: str, tmp_path_factory: pytest.TempPathFactory) -> ExistingTool:
    folder = tmp_path_factory.mktemp("user")
    foreign.write_user_kubeconfig(folder / "config")
    environment = {
        "CANARYLAB_MIRROR": mirror,
        "XDG_CACHE_HOME": str(own_cache(folder)),
        "XDG_STATE_HOME": str(folder / "state"),
    }
    playbook = laboratory(folder / "laboratory", f"{REGISTRY}/team")
    flags = ("--provider", "existing", "--context", CONTEXT, "--playbook", str(playbook))
    return ExistingTool("e2e-existing", folder / "config", environment, flags, foreign)


@pytest.fixture(scope="module")
def before(foreign: ForeignCluster) -> dict[str, Any]:
    """The cluster as it was before the tool came: what is on it, and what is others' to the byte."""
    return {"there": strangers.everything(foreign), "others": strangers.to_the_byte(foreign)}
