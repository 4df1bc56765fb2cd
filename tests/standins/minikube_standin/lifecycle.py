"""stop, delete, pause, unpause."""

from __future__ import annotations

import shutil

from . import faults
from .errors import StandinError
from .flags import Flag, Parsed
from .home import Home
from .loaded import partial, running
from .output import DELETE_STEPS, PAUSE_STEPS, STOP_STEPS, UNPAUSE_STEPS, Output
from .user_kubeconfig import UserKubeconfig

OUTPUT = {"output": Flag("value", "o")}
STOP_FLAGS = {
    **OUTPUT,
    "keep-context-active": Flag("bool"),
    "all": Flag("untaught"),
    "schedule": Flag("untaught"),
    "cancel-scheduled": Flag("untaught"),
}
DELETE_FLAGS = {**OUTPUT, "all": Flag("bool"), "purge": Flag("bool")}
PAUSE_FLAGS = {**OUTPUT, "namespaces": Flag("untaught", "n"), "all-namespaces": Flag("untaught", "A")}
_NAMESPACES = "kube-system, kubernetes-dashboard, istio-operator"
"""What `pause` names, whatever of them there is (recorded)."""


def stop(home: Home, profile: str, flags: Parsed) -> int:
    as_json = flags.get("output") == "json"
    out = Output(as_json=as_json, steps=STOP_STEPS)
    config = partial(home, profile, out)
    out.step("Stopping", f'Stopping node "{config["Name"]}"  ...')
    home.vm(profile).stop()
    home.node(profile).stop()
    if not flags.on("keep-context-active"):
        UserKubeconfig(home.environment).remove(profile)
    out.step("Done", "1 node stopped.")
    return 0


def delete(home: Home, profile: str, flags: Parsed) -> int:
    out = Output(as_json=flags.get("output") == "json", steps=DELETE_STEPS)
    if flags.on("all"):
        valid, invalid = home.names()
        for name in (*valid, *invalid):
            delete_profile(home, name, out)
        out.step("Done", "Successfully deleted all profiles")
    else:
        if home.load(profile) is None:
            out.error(f'"{profile}" profile does not exist, trying anyways.')
        delete_profile(home, profile, out)
    if flags.on("purge"):
        shutil.rmtree(home.root, ignore_errors=True)
        out.step("Done", f"Successfully purged minikube directory located at - [{home.root}]")
    return 0


def delete_profile(home: Home, profile: str, out: Output) -> None:
    """Profile, machine, kubeconfig entries; and minikube's `profile` setting even where it names another (delete.go).

    The cache, tunnels.json, the route and the resolver file stay; no tunnel is ended (minikube.md).
    """
    config = home.load(profile)
    if config is not None:
        vm = home.vm(profile)
        out.step("Deleting", f'Deleting "{profile}" in {config["Driver"]} ...')
        if faults.on("delete-leaves-vm"):
            out.error("Failed to delete cluster: quit: EOF")
            out.step("Deleting", f'You may need to manually remove the "{profile}" VM from your hypervisor')
        else:
            vm.stop()
    if home.machines.is_made(home, profile):
        home.node(profile).delete()
    shutil.rmtree(home.machine(profile), ignore_errors=True)
    shutil.rmtree(home.profile(profile), ignore_errors=True)
    UserKubeconfig(home.environment).remove(profile)
    if "profile" in home.settings():
        home.set("profile", None)
    out.info(f'Removed all traces of the "{profile}" cluster.', "* ")


def pause(home: Home, profile: str, flags: Parsed) -> int:
    return _pause(home, profile, flags, "Paus")


def unpause(home: Home, profile: str, flags: Parsed) -> int:
    return _pause(home, profile, flags, "Unpaus")


def _pause(home: Home, profile: str, flags: Parsed, verb: str) -> int:
    if flags.words:
        raise StandinError(f"minikube {verb}e takes no words")
    steps = PAUSE_STEPS if verb == "Paus" else UNPAUSE_STEPS
    out = Output(as_json=flags.get("output") == "json", steps=steps)
    running(home, profile, out)
    out.step(f"{verb}ing", f"{verb}ing node {profile} ...")
    node = home.node(profile)
    count = node.pause() if verb == "Paus" else node.unpause()
    out.step("Done", f"{verb}ed {count} containers in: {_NAMESPACES}")
    return 0
