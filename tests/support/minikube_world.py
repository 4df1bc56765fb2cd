"""What a real minikube printed, and the stand-in for minikube as a runner, its machines in memory."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from minikube_standin.errors import UNKNOWN
from minikube_standin.home import Home
from minikube_standin.user_kubeconfig import UserKubeconfig
from support.fake_runner import FakeRunner
from support.minikube_machines import MemoryMachines
from support.minikube_program import minikube
from support.minikube_recorded import Case, cases
from support.runs import Heard, context_of

from canarylab.cancel import Cancel
from canarylab.contract.context import Consent, Context
from canarylab.contract.playbook import ClusterSpec
from canarylab.contract.provider import Finding
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


class World(FakeRunner):
    """The stand-in for minikube as a runner, with machines in memory.

    `hooks` run in place of the command they are named after, and leave it to the stand-in by None.
    """

    def __init__(self) -> None:
        super().__init__()
        self.machines = MemoryMachines()
        self.hooks: dict[str, Callable[[], Result | None]] = {}
        self.cancel = Cancel()
        self.findings: list[Finding] = []
        """What doctor finds on this machine."""
        self._faults: Sequence[str] = ()

    def context(self, spec: ClusterSpec | None = None, **consent: bool) -> Context:
        provider = _Provider(spec or ClusterSpec(profile=PROFILE, driver="qemu"))
        provider.infrastructure.found = self.findings
        self.heard = Heard()
        stages = provider.infrastructure.stages()
        emit = self.heard.append
        ctx = context_of(*stages, provider=provider, runner=self, emit=emit, profile=PROFILE, cancel=self.cancel)
        ctx.consent = Consent(**consent)
        return ctx.for_stage("cluster", float("inf"))

    def have(self, state: str = "running", *, name: str = PROFILE, **changes: Any) -> None:
        """A profile that is there already, with its entries in the user's kubeconfig.

        It is running, stopped, paused, gone (its machine, that is), or its "API server stopped".
        """
        made, node, machine = config(name, **changes), self.machines.node(self._home, name), self._home.vm(name)
        self._home.save(made)
        if state != "gone":
            machine.create(made)
        if state not in ("gone", "stopped"):
            machine.start(made)
        node.is_up = state not in ("gone", "stopped")
        node.is_paused, node.answers = state == "paused", state != "API server stopped"
        UserKubeconfig(os.environ).add(self._home, {**made, "KeepContext": True}, node.credentials)

    def lose(self, name: str = PROFILE) -> None:
        """A deletion that was killed half-way: the profile is gone, its context isn't."""
        shutil.rmtree(self._home.profile(name))

    def faults(self, *names: str) -> None:
        """Switch exactly these on. The names are in tests/standins/README.md."""
        self._faults = names

    def called(self, command: str) -> list[str]:
        return [line for line in self.commands if f" {command}" in line]

    @property
    def environments(self) -> list[dict[str, str]]:
        """What was laid over this process' own for each command."""
        return [given["env"] for given in self.given]

    @property
    def _home(self) -> Home:
        return Home.here(self.machines)

    @property
    def profiles(self) -> dict[str, dict[str, Any]]:
        """What minikube has written down of each."""
        valid, _ = self._home.names()
        return {name: self._home.load(name) or {} for name in valid}

    @property
    def setting(self) -> str:
        """Which profile is minikube's own default; "" where none is."""
        return str(self._home.settings().get("profile", ""))

    @setting.setter
    def setting(self, name: str) -> None:
        self._home.set("profile", name)

    def _answer(self, line: str) -> Result:
        program, *words = line.split()
        if program == "ping":
            return Result("", "", 1, 0.0)
        assert program == "minikube", f"nobody expected this command: {line}"
        hook = self.hooks.get(words[2] if words[0] == "-p" else words[0])
        return (hook() if hook else None) or self._stand_in(words, self.given[-1]["env"])

    def _stand_in(self, words: Sequence[str], env: dict[str, str]) -> Result:
        """A Mac, whatever this machine is: it has the driver and the network that most of its users have."""
        faults = self._home.root / "faults.json"
        faults.parent.mkdir(parents=True, exist_ok=True)
        faults.write_text(json.dumps(list(self._faults)))
        switches = {"STANDIN_SYSTEM": "darwin/arm64", "STANDIN_FAULTS": str(faults)}
        result = minikube(words, {**os.environ, **env, **switches}, self.machines)
        assert result.code != UNKNOWN, result.stderr
        return result


def user_kubeconfig() -> dict[str, Any]:
    path = Path(os.environ["KUBECONFIG"])
    content = yaml.safe_load(path.read_text()) if path.exists() else {}
    return {"clusters": [], "users": [], "contexts": [], "current-context": "", **content}


def write_user_kubeconfig(content: dict[str, Any]) -> None:
    path = Path(os.environ["KUBECONFIG"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content))
