"""How commands find their cluster, and what they say where it isn't there or doesn't run (pkg/minikube/mustload)."""

from __future__ import annotations

from typing import Any

from . import faults
from .errors import Exit
from .home import Home
from .output import Output

_GUEST_UNAVAILABLE, _GUEST_NOT_FOUND = 83, 85
_CONTROL_PLANE_UNAVAILABLE, _CONTROL_PLANE_CONFIG = 103, 108


def example(profile: str, action: str) -> str:
    """The command that minikube proposes."""
    return f"minikube {action}" if profile == "minikube" else f"minikube {action} -p {profile}"


def _tip(out: Output, message: str, profile: str, action: str, code: int) -> Exit:
    out.info(message, "* ")
    out.info(f'To {_TIPS[action]}, run: "{example(profile, action)}"', "  ")
    return Exit(code)


_TIPS = {"start": "start a cluster", "unpause": "unpause the cluster"}


def partial(home: Home, profile: str, out: Output) -> dict[str, Any]:
    """The profile's configuration. Exits with 85 where there is none (recorded)."""
    config = home.load(profile)
    if config is None:
        message = f'Profile "{profile}" not found. Run "minikube profile list" to view all profiles.'
        raise _tip(out, message, profile, "start", _GUEST_NOT_FOUND)
    return config


def host_state(home: Home, profile: str) -> str:
    """Running, Stopped, or "" where there is no machine. A machine whose process was killed is switched off first."""
    vm = home.vm(profile)
    if not vm.exists:
        return ""
    if faults.on("vm-gone"):
        vm.stop()
    if vm.pid() is None:
        _switch_off(home, profile)
        return "Stopped"
    return "Running"


def _switch_off(home: Home, profile: str) -> None:
    """What ran in the machine ends with its process."""
    if home.machines.is_made(home, profile):
        home.node(profile).stop()


def api_state(home: Home, profile: str) -> str:
    return "Stopped" if faults.on("apiserver-stopped") else home.node(profile).api()


def running(home: Home, profile: str, out: Output) -> dict[str, Any]:
    """The configuration of a profile whose machine runs. Exits with 85 or 83."""
    config = partial(home, profile, out)
    state = host_state(home, profile)
    if not state:
        message = f"The control-plane node {profile} host does not exist"
        raise _tip(out, message, profile, "start", _GUEST_NOT_FOUND)
    if state != "Running":
        message = f"The control-plane node {profile} host is not running: state={state}"
        raise _tip(out, message, profile, "start", _GUEST_UNAVAILABLE)
    return config


def healthy(home: Home, profile: str, out: Output) -> dict[str, Any]:
    """The configuration of a profile whose API server answers. Exits with 103 (recorded) or 108 [I]."""
    config = running(home, profile, out)
    state = api_state(home, profile)
    if state == "Paused":
        message = f"The control-plane node {profile} apiserver is paused"
        raise _tip(out, message, profile, "unpause", _CONTROL_PLANE_CONFIG)
    if state != "Running":
        message = f"The control-plane node {profile} apiserver is not running: (state={state})"
        raise _tip(out, message, profile, "start", _CONTROL_PLANE_UNAVAILABLE)
    return config
