"""A small world for the tests of minikube's tunnel: profiles, a routing table, sudo, and a `minikube tunnel`.

`Host` is a machine in memory; `install` puts programs of the same names on the PATH, for what runs in processes.
"""

from __future__ import annotations

import ipaddress
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minikube_standin.home import Home, new_profile
from minikube_standin.routes import Route
from minikube_standin.tunnel import Registry, Status, block, entry_of
from support.fake_cluster import FakeCluster
from support.fake_provider import FakeProvider
from support.fake_runner import FakeRunner

from canarylab.cancel import Cancel
from canarylab.contract.context import Context
from canarylab.contract.playbook import ClusterSpec, Playbook
from canarylab.contract.stage import StageOptions
from canarylab.events import Event
from canarylab.stages.kinds.tunnel import TunnelStage
from canarylab.tools.runner import Result, Runner

PROFILE = f"unit-{os.getpid()}"
"""Of this process: every `minikube tunnel` of the machine is looked at, those of other runs of these tests, too."""
VM = "192.168.105.4"
SERVICES = "10.96.0.0/12"
LAN = ipaddress.ip_network("192.168.105.0/24")
ROUTER = "192.0.2.1"


def status_block(*, profile: str = PROFILE, pid: int = 1, gateway: str = VM, router: str = "no errors") -> str:
    """What `minikube tunnel` prints of itself."""
    return block(profile, pid, Route(SERVICES, gateway), Status(services=["demo", "demo2"], route_error=router))


def minikube_home() -> Path:
    return Path(os.environ["MINIKUBE_HOME"])


def write_profile(name: str = PROFILE, address: str = VM, **other: Any) -> None:
    """Write a profile as minikube does."""
    config = {**new_profile(), "Name": name, "Driver": "qemu2", "Network": "socket_vmnet"}
    config["Nodes"] = [{"Name": "", "IP": address, "ControlPlane": True}]
    Home(minikube_home()).save({**config, **other})


def write_registry(*tunnels: tuple[str, int, str]) -> None:
    """Write minikube's list of tunnels: profile, process id and gateway of each."""
    entries = [entry_of(Route(SERVICES, gateway), profile, pid) for profile, pid, gateway in tunnels]
    Home(minikube_home()).tunnels.write_text(json.dumps(entries))


def registered() -> list[int]:
    return [entry["Pid"] for entry in Registry(Home(minikube_home())).entries()]


class Host(FakeRunner):
    """A runner with a routing table: `ip` as on Linux, `netstat` and `route` as on macOS, and sudo.

    `may_sudo`: sudo asks for nothing; `password`: the user knows it; `privileged` has what was done as root.
    """

    def __init__(self, *, may_sudo: bool = True, password: bool = True) -> None:
        super().__init__()
        self.table: dict[str, str] = {}
        self.may_sudo = may_sudo
        self.password = password
        self.is_on_link = True
        self.privileged: list[str] = []
        self.asked: list[str] = []

    def attended(self, argv: Sequence[str | Path]) -> int:
        self.asked.append(" ".join(map(str, argv)))
        self.may_sudo = self.password
        return 0 if self.password else 1

    def _answer(self, line: str) -> Result:
        words = line.split()
        code, said = self._sudo(words[2:]) if words[:2] == ["sudo", "-n"] else self._do(words)
        return Result(said, "" if code == 0 else said, code, 0.0)

    def _sudo(self, words: list[str]) -> tuple[int, str]:
        if not self.may_sudo:
            return 1, "sudo: a password is required"
        if words in (["true"], ["-v"]):
            return 0, ""
        self.privileged.append(" ".join(words))
        return self._do(words)

    def _do(self, words: list[str]) -> tuple[int, str]:
        match words:
            case ["ip", "-j", "-4", "route", "show"]:
                return 0, json.dumps([{"dst": to, "gateway": via} for to, via in self.table.items()])
            case ["ip", "-j", "route", "get", address]:
                return 0, json.dumps([{"dst": address, "dev": "vm0", **self._via(address)}])
            case ["netstat", "-nr", "-f", "inet"]:
                rows = [f"{_short(to):19}{via:19}UGSc  bridge100" for to, via in self.table.items()]
                return 0, "\n".join(["Routing tables", "", "Internet:", NETSTAT_HEAD, *rows, ""])
            case ["route", "-n", "get", address]:
                return 0, route_get(address, self._via(address).get("gateway", ""))
            case ["ip", "route", "add", to, "via", via] | ["route", "-n", "add", to, via]:
                self.table[to] = via
            case ["ip", "route", "delete", to, "via", via]:
                assert self.table.pop(to) == via
            case ["route", "-n", "delete", to]:
                del self.table[to]
            case ["mkdir", "-p", folder]:
                Path(folder).mkdir(parents=True, exist_ok=True)
            case ["cp", "-fp", source, target]:
                shutil.copy2(source, target)
            case ["rm", "-f", file]:
                Path(file).unlink(missing_ok=True)
            case _:
                raise AssertionError(f"nobody expected this command: {words}")
        return 0, ""

    def _via(self, address: str) -> dict[str, str]:
        target = ipaddress.ip_address(address)
        for to, via in self.table.items():
            if target in ipaddress.ip_network(to):
                return {"gateway": via}
        return {} if target in LAN and self.is_on_link else {"gateway": ROUTER}


NETSTAT_HEAD = "Destination        Gateway            Flags               Netif Expire"


def route_get(address: str, gateway: str) -> str:
    """What `route -n get` says on macOS."""
    flags = "<UP,GATEWAY,DONE,STATIC,PRCLONING>" if gateway else "<UP,HOST,DONE,LLINFO,WASCLONED,IFSCOPE,IFREF>"
    via = f"    gateway: {gateway}\n" if gateway else ""
    return f"   route to: {address}\ndestination: {address}\n{via}  interface: bridge100\n      flags: {flags}\n"


def _short(network: str) -> str:
    """As netstat on macOS writes it: 10.96/12."""
    address, _, bits = network.partition("/")
    parts = address.split(".")
    while len(parts) > 1 and parts[-1] == "0":
        parts.pop()
    return f"{'.'.join(parts)}/{bits}"


def service(name: str = "gateway", given: str | None = None) -> dict[str, Any]:
    ingress = {"loadBalancer": {"ingress": [{"ip": given}]}} if given else {"loadBalancer": {}}
    ports = [{"port": 15021, "nodePort": 30021}, {"port": 80, "nodePort": 30080}, {"port": 3000}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "ns"},
        "spec": {"type": "LoadBalancer", "clusterIP": "10.96.7.7", "ports": ports},
        "status": ingress,
    }


class Addressed(FakeCluster):
    """A cluster whose Services can be patched."""

    def patch(
        self, api_version: str, kind: str, name: str, body: Any, namespace: str | None = None, *, subresource: str = ""
    ) -> Any:
        assert (api_version, kind, subresource) == ("v1", "Service", "status")
        assert namespace
        self.objects[(api_version, kind, namespace, name)]["status"] = body["status"]
        self.writes.append(f"patch {kind} {name}")


def context(
    runner: Runner, *objects: dict[str, Any], events: list[Event] | None = None, cancel: Cancel | None = None
) -> Context:
    stage = TunnelStage("tunnel", StageOptions())
    spec = ClusterSpec(profile=PROFILE)
    playbook = Playbook("unit-test", "", Path("unit-test.yaml"), "0" * 64, spec, (stage,), {}, ())
    heard = events if events is not None else []
    ctx = Context(playbook, FakeProvider(Addressed(*objects)), heard.append, cancel or Cancel(), runner)
    ctx.paths.create()
    return ctx


_IP = """#!/bin/sh
table="$WORLD/routes"
touch "$table"
case "$*" in
  "-j -4 route show") sep=; printf '['
    while read -r to via; do printf '%s{"dst":"%s","gateway":"%s"}' "$sep" "$to" "$via"; sep=,; done < "$table"
    printf ']' ;;
  "-j route get 10."*) printf '[{"gateway":"%s"}]' "$(cut -d' ' -f2 "$table")" ;;
  "-j route get 192.168.105."*) printf '[{"dev":"vm0"}]' ;;
  "route add "*) echo "$3 $5" >> "$table" ;;
  "route delete "*) grep -v "^$3 $5$" "$table" > "$table.new"; mv "$table.new" "$table" ;;
  *) echo "nobody expected ip $*" >&2; exit 99 ;;
esac
"""

_MINIKUBE = f"""#!{sys.executable}
import json, os, signal, sys, time
from pathlib import Path
world, home = Path(os.environ["WORLD"]), Path(os.environ["MINIKUBE_HOME"])
assert sys.argv[1:] == ["-p", "{PROFILE}", "tunnel"], sys.argv
said = (world / "refusal").read_text() if (world / "refusal").exists() else ""
if said:
    code, _, words = said.partition(" ")
    print(words, file=sys.stderr)
    sys.exit(int(code))
router = (world / "router").read_text() if (world / "router").exists() else "no errors"
told = []
signal.signal(signal.SIGINT, lambda *_: told.append(1))
if (world / "deaf").exists():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
entry = {entry_of(Route(SERVICES, VM), PROFILE, 0)!r}
entry["Pid"] = os.getpid()
(home / "tunnels.json").write_text(json.dumps([entry]))
said = {status_block(pid=4711, router="ROUTER")!r}
print(said.replace("4711", str(os.getpid())).replace("ROUTER", router), end="", flush=True)
while not told and not (world / "stopped").exists():
    time.sleep(0.02)
(home / "tunnels.json").write_text("[]")
"""


def install(folder: Path, monkeypatch: Any) -> Path:
    """Put `ip` and `minikube` on the PATH. What they read and write lies in the folder that is returned."""
    programs = folder / "bin"
    programs.mkdir()
    for name, text in (("ip", _IP), ("minikube", _MINIKUBE)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("WORLD", str(folder))
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return folder
