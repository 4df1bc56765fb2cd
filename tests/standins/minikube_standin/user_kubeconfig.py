"""The user's kubeconfig as minikube writes it: certificates by path, extensions that say whose the entries are."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from canarylab.files import write_private

from .home import VERSION, Home

_SECTIONS = ("clusters", "contexts", "users")


class UserKubeconfig:
    """`path` is the first file that $KUBECONFIG names, else ~/.kube/config (kubeconfig.PathFromEnv)."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        named = [part for part in environment.get("KUBECONFIG", "").split(":") if part]
        self.path = Path(named[0]) if named else Path.home() / ".kube" / "config"

    def load(self) -> dict[str, Any]:
        content = yaml.safe_load(self.path.read_text()) if self.path.exists() else None
        return dict(content or {})

    def current(self) -> str:
        return str(self.load().get("current-context") or "")

    def server(self, profile: str) -> str:
        """The API server of the profile's entry; "" without one."""
        for entry in self.load().get("clusters") or []:
            if entry["name"] == profile:
                return str(entry["cluster"].get("server", ""))
        return ""

    def add(self, home: Home, config: dict[str, Any], credentials: dict[str, Any]) -> None:
        """Cluster, user and context under the profile's name; the current context too unless --keep-context."""
        name = config["Name"]
        files = _write_certificates(home.profile(name), credentials)
        ours = credentials["clusters"][0]["cluster"]
        note = {"last-update": time.strftime("%a, %d %b %Y %H:%M:%S %Z"), "provider": "minikube.sigs.k8s.io"}
        note["version"] = VERSION
        cluster: dict[str, Any] = {"server": ours["server"]}
        user: dict[str, Any] = {}
        if config["EmbedCerts"]:
            cluster["certificate-authority-data"] = ours["certificate-authority-data"]
            user = dict(credentials["users"][0]["user"])
        else:
            cluster["certificate-authority"] = str(files["ca.crt"])
            user = {"client-certificate": str(files["client.crt"]), "client-key": str(files["client.key"])}
        cluster["extensions"] = [{"extension": dict(note), "name": "cluster_info"}]
        context = {
            "cluster": name,
            "extensions": [{"extension": dict(note), "name": "context_info"}],
            "namespace": config["KubernetesConfig"]["Namespace"],
            "user": name,
        }
        content = self._without(name)
        content.setdefault("clusters", []).append({"name": name, "cluster": cluster})
        content.setdefault("contexts", []).append({"name": name, "context": context})
        content.setdefault("users", []).append({"name": name, "user": user})
        if not config["KeepContext"]:
            content["current-context"] = name
        self._save(content)

    def remove(self, profile: str) -> None:
        """Take the profile's entries out. A current context that named it becomes empty."""
        if not self.path.exists():
            return
        content = self._without(profile)
        if content.get("current-context") == profile:
            content["current-context"] = ""
        self._save(content)

    def _without(self, profile: str) -> dict[str, Any]:
        content = {"apiVersion": "v1", "kind": "Config", "preferences": {}, "current-context": "", **self.load()}
        for section in _SECTIONS:
            content[section] = [entry for entry in content.get(section) or [] if entry["name"] != profile]
        return content

    def _save(self, content: dict[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_private(self.path, yaml.safe_dump(content))


def _write_certificates(folder: Path, credentials: dict[str, Any]) -> dict[str, Path]:
    """As files of the profile; minikube has one ca.crt for all profiles, in the folder above them."""
    cluster, user = credentials["clusters"][0]["cluster"], credentials["users"][0]["user"]
    contents = {
        "ca.crt": cluster["certificate-authority-data"],
        "client.crt": user["client-certificate-data"],
        "client.key": user["client-key-data"],
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, encoded in contents.items():
        write_private(folder / name, base64.b64decode(encoded).decode())
    return {name: folder / name for name in contents}
