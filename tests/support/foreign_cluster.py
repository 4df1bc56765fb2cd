"""A cluster that the tool didn't make, and what such clusters have: an owner, a load balancer, a registry near by.

By hand, for trying things out:

    PYTHONPATH=tests python -m support.foreign_cluster FOLDER    # until Ctrl-C; prints what to set
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from canarylab.cancel import Cancel
from canarylab.errors import CanarylabError
from canarylab.kube.client import Cluster
from canarylab.kube.objects import load_balancer_address
from canarylab.kube.watch import Watch
from canarylab.paths import REPOSITORY
from canarylab.providers.embedded.programs.built import built
from canarylab.tools import ip
from canarylab.tools.runner import Runner

NAME = "clexisting"
"""Of the namespace, the link and the node, as the script has it."""
REGISTRY = "10.251.0.1:5000"
CONTEXT = "a-cluster"
"""What the user's kubeconfig calls it."""
_SCRIPT = Path(__file__).with_name("kubeadm_node.sh")


class ForeignCluster:
    """One node by plain kubeadm. `folder` keeps the images from one test session to the next."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self.programs = programs
        self.has_load_balancer = threading.Event()
        self.has_load_balancer.set()

    @contextmanager
    def balancer_paused(self) -> Iterator[None]:
        """Meanwhile no Service gets an address."""
        self.has_load_balancer.clear()
        yield
        self.has_load_balancer.set()

    @property
    def kubeconfig(self) -> Path:
        """Its owner's."""
        return self.folder / "node" / "etc" / "kubernetes" / "admin.conf"

    def up(self) -> None:
        self._script("up")

    def remove(self) -> None:
        self._script("remove")

    def _script(self, action: str) -> None:
        environment = {**os.environ, "PROGRAMS": str(self.programs), "WORK": str(self.folder)}
        done = subprocess.run(
            [_SCRIPT, action], env=environment, capture_output=True, text=True, timeout=600, check=False
        )
        assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"

    def kubectl(self, *words: str, stdin: str = "") -> str:
        """As its owner, with all rights."""
        argv = [self.programs / "bin" / "kubectl", "--kubeconfig", self.kubeconfig, *words]
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def helm(self, *words: str) -> str:
        argv = [self.programs / "bin" / "helm", *words, "--kubeconfig", self.kubeconfig]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def apply(self, *objects: dict[str, Any]) -> None:
        self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))

    def every(self, kinds: str) -> list[dict[str, Any]]:
        """All objects of some kinds, comma-separated, of all namespaces."""
        return list(json.loads(self.kubectl("get", kinds, "-A", "-o", "json", "--show-managed-fields"))["items"])

    def connect(self) -> Cluster:
        config = yaml.safe_load(self.kubeconfig.read_text())
        return Cluster(self.kubeconfig, config["current-context"])

    def write_user_kubeconfig(self, path: Path) -> None:
        """A user's kubeconfig: another cluster is current, and this one's certificates lie in files beside it."""
        admin = yaml.safe_load(self.kubeconfig.read_text())
        cluster, user = admin["clusters"][0]["cluster"], admin["users"][0]["user"]
        for name, data in (
            ("ca.crt", cluster["certificate-authority-data"]),
            ("me.crt", user["client-certificate-data"]),
            ("me.key", user["client-key-data"]),
        ):
            (path.parent / name).write_bytes(base64.b64decode(data))
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "someone-elses",
            "clusters": [
                {"name": "someone-elses", "cluster": {"server": "https://127.0.0.1:1"}},
                {"name": "theirs", "cluster": {"server": cluster["server"], "certificate-authority": "ca.crt"}},
            ],
            "users": [
                {"name": "someone-elses", "user": {}},
                {"name": "me", "user": {"client-certificate": "me.crt", "client-key": "me.key"}},
            ],
            "contexts": [
                {"name": "someone-elses", "context": {"cluster": "someone-elses", "user": "someone-elses"}},
                {"name": CONTEXT, "context": {"cluster": "theirs", "user": "me"}},
            ],
        }
        path.write_text(yaml.safe_dump(config))


class LoadBalancer(threading.Thread):
    """Gives every Service of type LoadBalancer an address: its cluster address, to which the link's route leads."""

    def __init__(self, cluster: ForeignCluster) -> None:
        super().__init__(daemon=True)
        self._works = cluster.has_load_balancer
        self._cluster = cluster.connect()
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.is_set():
            with suppress(CanarylabError, RuntimeError):  # tried again: the cluster may come and go
                for _, service in self._cluster.events(Watch("v1", "Service"), seconds=1):
                    if self._works.is_set():
                        self._give(service)

    def _give(self, service: dict[str, Any]) -> None:
        spec, meta = service["spec"], service["metadata"]
        if spec.get("type") != "LoadBalancer" or load_balancer_address(service):
            return
        route = ip.route_to(Runner(Cancel()), spec["clusterIP"]) or {}
        assert route.get("dev") == NAME, f"{spec['clusterIP']} would go by {route.get('dev')}"
        status = {"status": {"loadBalancer": {"ingress": [{"ip": spec["clusterIP"]}]}}}
        self._cluster.patch("v1", "Service", meta["name"], status, meta["namespace"], subresource="status")

    def stop(self) -> None:
        self._over.set()
        self.join(30)


@contextmanager
def registry(folder: Path, *, deletes: bool = True) -> Iterator[str]:
    """A registry at the host's end of the link, from Debian's package; yields its address."""
    config = {
        "version": 0.1,
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "registry")}, "delete": {"enabled": deletes}},
        "http": {"addr": REGISTRY},
    }
    file = folder / "registry.yaml"
    file.write_text(yaml.safe_dump(config))
    with (folder / "registry.log").open("w") as log:
        process = subprocess.Popen(["docker-registry", "serve", file], stdout=log, stderr=log)
    try:
        _await_port(REGISTRY)
        yield REGISTRY
    finally:
        process.terminate()
        process.wait(30)


def _await_port(address: str) -> None:
    host, _, port = address.rpartition(":")
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
        except OSError:
            assert time.monotonic() < deadline, f"nothing listens at {address}"
            time.sleep(0.1)
        else:
            return


def install(*programs: str) -> None:
    """Debian's packages of that name, where the programs are missing; none of them is started."""
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], env=quiet, check=True, timeout=300)
        argv = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
        subprocess.run(argv, env=quiet, check=True, timeout=600, capture_output=True)


def laboratory(folder: Path, registry_path: str) -> Path:
    """A copy of what a playbook needs, whose playbook names the registry; returns the playbook."""
    for name in ("playbooks", "manifests", "charts-values", "images"):
        shutil.copytree(REPOSITORY / name, folder / name)
    playbook = folder / "playbooks" / "istio-canary.yaml"
    text = playbook.read_text()
    assert "cluster: {" in text
    playbook.write_text(text.replace("cluster: {", f'cluster: {{registry: "{registry_path}", ', 1))
    # The gateway's image is there, under a name that can't be looked up without the internet.
    (folder / "charts-values" / "istio-ingressgateway.existing.yaml").write_text("imagePullPolicy: IfNotPresent\n")
    return playbook


def own_cache(folder: Path) -> Path:
    """A cache apart from the user's, in which only what the embedded provider has compiled is the same."""
    cache = folder / "cache"
    shared = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "canarylab"
    (cache / "canarylab").mkdir(parents=True, exist_ok=True)
    for name in ("node", "go"):
        link = cache / "canarylab" / name
        if not link.exists():
            link.symlink_to(shared / name)
    return cache


def main(folder: Path) -> None:
    from support.chart_repository import serving

    install("skopeo", "docker-registry")
    folder.mkdir(parents=True, exist_ok=True)
    cluster = ForeignCluster(folder, built().folder)
    if not cluster.kubeconfig.exists():
        cluster.up()
    cluster.write_user_kubeconfig(folder / "config")
    balancer = LoadBalancer(cluster)
    balancer.start()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with registry(folder) as address, serving() as mirror, suppress(KeyboardInterrupt):
        playbook = laboratory(Path(tempfile.mkdtemp(dir=folder)), f"{address}/team")
        print(f"export KUBECONFIG={folder / 'config'} CANARYLAB_MIRROR={mirror.url} XDG_CACHE_HOME={own_cache(folder)}")
        print(f"export XDG_STATE_HOME={folder / 'state'}")
        print(f"invoke up --provider existing --context {CONTEXT} --playbook {playbook} --profile dev", flush=True)
        threading.Event().wait()
    balancer.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
