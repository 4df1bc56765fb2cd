"""Machines of the stand-in for minikube that are kept in memory: no process, no node, images as archives."""

from __future__ import annotations

import base64
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from minikube_standin.home import Home
from minikube_standin.vm import Vm

_SECRET = base64.b64encode(b"unit-test").decode()
ADDRESS = "192.168.105.4"


class MemoryVm(Vm):
    """Its files are the stand-in's own; what would be a process is a number in one of them."""

    def pid(self) -> int | None:
        file = self.folder / "qemu.pid"
        return int(file.read_text()) if file.exists() else None

    def start(self, config: dict[str, Any]) -> None:  # noqa: ARG002 - the stand-in's
        (self.folder / "qemu.pid").write_text("4194305")  # higher than Linux gives

    def stop(self) -> None:
        (self.folder / "qemu.pid").unlink(missing_ok=True)


class MemoryNode:
    """The Kubernetes of one profile, with what the stand-in asks of it."""

    address = ADDRESS

    def __init__(self) -> None:
        self.is_up = False
        self.is_paused = False
        self.answers = True
        """Whether its API server does."""

    @property
    def credentials(self) -> dict[str, Any]:
        cluster = {"server": f"https://{self.address}:8443", "certificate-authority-data": _SECRET}
        user = {"client-certificate-data": _SECRET, "client-key-data": _SECRET}
        return {"clusters": [{"cluster": cluster}], "users": [{"user": user}]}

    @property
    def is_made(self) -> bool:
        return self.is_up

    def api(self) -> str:
        if self.is_paused:
            return "Paused"
        return "Running" if self.is_up and self.answers else "Stopped"

    def kubelet(self) -> str:
        return "Running" if self.is_up else "Stopped"

    def start(self, service_range: str, progress: Callable[[str], None]) -> None:  # noqa: ARG002 - the stand-in's
        for part in ("programs", "machine", "cluster", "ready"):
            progress(part)
        self.is_up, self.is_paused, self.answers = True, False, True

    def stop(self) -> None:
        self.is_up = False

    delete = stop

    def paused_containers(self) -> list[str]:
        return ["kube-apiserver"] if self.is_paused else []

    def pause(self) -> int:
        self.is_paused = True
        return 1

    def unpause(self) -> int:
        self.is_paused = False
        return 1


class MemoryStore:
    """The images of a node: by name an archive, as `image save` writes it."""

    def __init__(self) -> None:
        self.held: dict[str, Path] = {}
        self.builds: Path | None = None
        """What the next build makes."""

    def names(self) -> list[tuple[str, str]]:
        return [(name, _read(archive, "index.json")["manifests"][0]["digest"]) for name, archive in self.held.items()]

    def blob(self, digest: str) -> dict[str, Any]:
        for archive in self.held.values():
            try:
                return _read(archive, f"blobs/{digest.replace(':', '/')}")
            except KeyError:
                continue
        raise FileNotFoundError(digest)

    def save(self, name: str, archive: Path, platform: str) -> None:  # noqa: ARG002 - of one platform
        shutil.copy(self.held[name], archive)

    def remove(self, name: str) -> None:
        del self.held[name]

    def build(self, file: Path, context: Path, tag: str, **how: Any) -> None:  # noqa: ARG002 - nothing is built
        assert self.builds is not None, "nobody expected this build"
        self.held[tag] = self.builds

    def add(self, archive: Path) -> None:
        raise AssertionError(f"nobody expected an image to be loaded: {archive}")


def _read(archive: Path, name: str) -> Any:
    with tarfile.open(archive) as tar:
        member = tar.extractfile(name)
        assert member is not None
        return json.load(member)


class MemoryMachines:
    """Those of every profile. One store of images is enough: no test has two machines with images."""

    def __init__(self) -> None:
        self.nodes: dict[str, MemoryNode] = {}
        self.store = MemoryStore()

    def vm(self, home: Home, profile: str) -> MemoryVm:
        return MemoryVm(home, profile)

    def node(self, home: Home, profile: str) -> MemoryNode:  # noqa: ARG002 - the stand-in's
        return self.nodes.setdefault(profile, MemoryNode())

    def images(self, home: Home, profile: str) -> MemoryStore:  # noqa: ARG002 - the stand-in's
        return self.store

    def is_made(self, home: Home, profile: str) -> bool:  # noqa: ARG002 - the stand-in's
        return profile in self.nodes
