"""What a real minikube printed, and a minikube in memory that answers in the same forms."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from support.minikube_recorded import Case, cases
from support.runs import Heard, context_of

from canarylab.contract.context import Consent, Context
from canarylab.contract.playbook import ClusterSpec
from canarylab.contract.provider import Finding
from canarylab.errors import CommandError
from canarylab.providers.minikube import MinikubeProvider
from canarylab.providers.minikube.infrastructure import VirtualMachine
from canarylab.tools.runner import Result

PROFILE = "unit-test"


_RECORDED = {
    "no profiles": 1,
    "status of nothing": 2,
    "socket_vmnet on Linux": 10,
    "too little memory, forced": 12,
    "unknown flag": 17,
    "invalid profiles": 21,
    "invalid profiles, light": 22,
    "no setting": 23,
    "running": 25,
    "one profile, light": 27,
    "images": 31,
    "second tunnel": 55,
    "delete": 63,
    "start": 66,
    "tunnel": 67,
}


def recorded(name: str) -> Case:
    """What a real minikube printed, by a name for it."""
    return cases()[_RECORDED[name]]


class _Able(VirtualMachine):
    """On a machine of which doctor finds what the test says."""

    found: list[Finding]

    def findings(self, ctx: Context) -> list[Finding]:  # noqa: ARG002 - the contract's
        return self.found


class _Provider(MinikubeProvider):
    @cached_property
    def infrastructure(self) -> _Able:
        return _Able(self.spec)


def event(kind: str, **data: str) -> str:
    """One line of `--output=json`."""
    envelope = {"specversion": "1.0", "id": "1", "source": "https://minikube.sigs.k8s.io/"}
    return json.dumps({**envelope, "type": f"io.k8s.sigs.minikube.{kind}", "data": data})


def refusal(name: str, code: int, message: str, **more: str) -> Result:
    """How `start` ends with a reason."""
    data = {"name": name, "exitcode": str(code), "message": message, "advice": "", "url": "", "issues": "", **more}
    return Result(event("error", **data), "", code, 0.0)


def config(name: str = PROFILE, **changes: Any) -> dict[str, Any]:
    """A profile's configuration, in the form of the recorded one; keys of KubernetesConfig are put there."""
    listed = json.loads(recorded("one profile, light").stdout)["valid"][0]["Config"]
    usual = {"Name": name, "Driver": "qemu2", "Network": "socket_vmnet", "Memory": 8192, "CPUs": 4}
    kubernetes = {**listed["KubernetesConfig"], **{k: v for k, v in changes.items() if k in listed["KubernetesConfig"]}}
    own = {key: value for key, value in changes.items() if key not in kubernetes}
    return {**listed, **usual, **own, "KubernetesConfig": kubernetes}


@dataclass
class World:
    """A minikube in memory. `hooks` run inside the command they are named after and may end it with a Result."""

    profiles: dict[str, dict[str, Any]] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    """By profile: running, stopped, paused, gone, API server stopped."""
    setting: str = ""
    hooks: dict[str, Callable[[], Result | None]] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    environments: list[dict[str, str]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    """What doctor finds on this machine."""

    def context(self, spec: ClusterSpec | None = None, **consent: bool) -> Context:
        provider = _Provider(spec or ClusterSpec(profile=PROFILE, driver="qemu"))
        provider.infrastructure.found = self.findings
        self.heard = Heard()
        ctx = context_of(
            *provider.infrastructure.stages(), provider=provider, runner=self, emit=self.heard.append, profile=PROFILE
        )
        ctx.consent = Consent(**consent)
        return ctx.for_stage("cluster", float("inf"))

    def have(self, state: str = "running", *, name: str = PROFILE, **changes: Any) -> None:
        """A profile that is there already, with its entries in the user's kubeconfig."""
        self.profiles[name], self.states[name] = config(name, **changes), state
        self._write_context(name)

    def called(self, command: str) -> list[str]:
        return [line for line in self.commands if f" {command}" in line]

    # -- the runner's side --------------------------------------------------------------------------------------------

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        timeout: float,
        ok: Sequence[int] = (0,),
        env: dict[str, str] | None = None,
        on_line: Callable[[str], None] | None = None,
        **_: Any,
    ) -> Result:
        assert timeout > 0
        words = [str(word) for word in argv]
        self.commands.append(" ".join(words))
        self.environments.append(dict(env or {}))
        assert words[0] == "minikube", f"nobody expected this command: {words}"
        name, words = (words[2], words[3:]) if words[1] == "-p" else ("", words[1:])
        hook = self.hooks.get(words[0])
        result = (hook() if hook else None) or self._answer(name, words)
        for line in result.stdout.splitlines():
            if on_line:
                on_line(line)
        if result.code not in ok:
            raise CommandError(self.commands[-1], result.code, result.stderr)
        return result

    def _answer(self, name: str, words: list[str]) -> Result:
        match words[0]:
            case "profile":
                valid = [{"Name": each, "Status": "Skipped", "Config": made} for each, made in self.profiles.items()]
                return Result(json.dumps({"invalid": [], "valid": valid}), "", 0, 0.0)
            case "status":
                return self._status(name)
            case "start":
                return self._start(name, words)
            case "unpause":
                self.states[name] = "running"
                return Result("", "", 0, 0.0)
            case "delete":
                self.profiles.pop(name, None)
                self.setting = ""  # whatever it named
                self._drop_context(name)
                return Result(recorded("delete").stdout, "", 0, 0.0)
            case "config":
                return self._config(words)
        raise AssertionError(f"nobody expected this command: {words}")

    def _status(self, name: str) -> Result:
        state = self.states.get(name, "")
        if state == "gone":
            return Result("null\n", "", 7, 0.0)
        parts = ("Stopped",) * 3 if state == "stopped" else ("Running", "Running", "Running")
        if state in ("paused", "API server stopped"):
            parts = ("Running", "Running", "Paused" if state == "paused" else "Stopped")
        said = dict(zip(("Host", "Kubelet", "APIServer"), parts, strict=True))
        return Result(json.dumps({"Name": name, **said, "Kubeconfig": "Configured", "Worker": False}), "", 0, 0.0)

    def _start(self, name: str, words: list[str]) -> Result:
        flags = dict(word.removeprefix("--").split("=", 1) for word in words[1:] if "=" in word)
        if name not in self.profiles:
            driver = {"qemu": "qemu2"}.get(flags.get("driver", ""), flags.get("driver", "docker"))
            self.profiles[name] = config(
                name,
                Driver=driver,
                Network=flags.get("network", ""),
                Memory=int(flags["memory"].removesuffix("mb")),
                CPUs=int(flags["cpus"]),
                KubernetesVersion=flags["kubernetes-version"],
                ContainerRuntime=flags["container-runtime"],
            )
        self.states[name] = "running"
        self._write_context(name)
        return Result(recorded("start").stdout, "", 0, 0.0)

    def _config(self, words: list[str]) -> Result:
        if words[1] == "set":
            self.setting = words[3]
        if not self.setting:
            return Result("", recorded("no setting").stderr, 14, 0.0)
        return Result(f"{self.setting}\n" if words[1] == "get" else "", "", 0, 0.0)

    # -- the user's kubeconfig ----------------------------------------------------------------------------------------

    def _write_context(self, name: str) -> None:
        note = {"name": "cluster_info", "extension": {"provider": "minikube.sigs.k8s.io", "last-update": "today"}}
        content = user_kubeconfig()
        content["clusters"].append({"name": name, "cluster": {"server": "https://127.0.0.1:9", "extensions": [note]}})
        content["users"].append({"name": name, "user": {"client-key": "/key"}})
        content["contexts"].append({"name": name, "context": {"cluster": name, "user": name, "namespace": "default"}})
        write_user_kubeconfig(content)

    def _drop_context(self, name: str) -> None:
        content = user_kubeconfig()
        for section in ("clusters", "users", "contexts"):
            content[section] = [entry for entry in content[section] if entry["name"] != name]
        write_user_kubeconfig(content)


def user_kubeconfig() -> dict[str, Any]:
    path = Path(os.environ["KUBECONFIG"])
    content = yaml.safe_load(path.read_text()) if path.exists() else {}
    return {"clusters": [], "users": [], "contexts": [], "current-context": "", **content}


def write_user_kubeconfig(content: dict[str, Any]) -> None:
    path = Path(os.environ["KUBECONFIG"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content))
