"""The minikube provider end to end: a stand-in for minikube, behind it a real cluster, and all else real, too."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from support.standins import REPOSITORY, Standins, standins
from tool import SOMEONE_ELSES, Tool

from canarylab.paths import cache_home

PROFILE = "e2e-mk"


@pytest.fixture(scope="module")
def laptop(mirror: str) -> Iterator[Standins]:
    """One user's machine for a module's tests."""
    folder = {"CANARYLAB_MIRROR": mirror, "STANDIN_TUNNEL_SECONDS": "0.5", "STANDIN_CPUS": "2"}
    with standins(**folder) as made:
        made.kubeconfig.write_text(yaml.safe_dump(SOMEONE_ELSES))
        yield made


@pytest.fixture(scope="module")
def playbook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default playbook for a Linux machine of two processors.

    qemu would have the builtin network there, and so no tunnel; kvm2 wants libvirt, which doctor looks for; and
    minikube refuses more processors than there are.
    """
    lab = tmp_path_factory.mktemp("lab")
    for name in ("playbooks", "manifests", "charts-values", "images"):
        shutil.copytree(REPOSITORY / name, lab / name)
    path = lab / "playbooks" / "istio-canary.yaml"
    written = path.read_text()
    assert "cpus: 4, driver: qemu" in written
    path.write_text(written.replace("cpus: 4, driver: qemu", "cpus: 2, driver: virtualbox"))
    return path


@pytest.fixture(scope="module")
def tool(laptop: Standins, playbook: Path) -> Iterator[Tool]:
    cache = laptop.folder / "cache" / "canarylab"
    cache.mkdir(parents=True)
    for shared in ("node", "go"):  # what the embedded node is made of; charts and images are this test's own
        (cache / shared).symlink_to(cache_home() / shared)
    environment = {
        **laptop.environment,
        "XDG_STATE_HOME": str(laptop.folder / "state"),
        "XDG_CACHE_HOME": str(cache.parent),
    }
    made = Tool(PROFILE, laptop.kubeconfig, environment, ("--provider", "minikube", "--playbook", str(playbook)))
    yield made
    made.text("teardown")
