"""`minikube status` and `minikube profile`."""

from __future__ import annotations

import re
import sys
from typing import Any

from .errors import StandinError
from .flags import Flag, Parsed
from .home import Home
from .loaded import api_state, host_state, partial
from .output import Output, go_json
from .user_kubeconfig import UserKubeconfig

STATUS_FLAGS = {
    "output": Flag("value", "o"),
    "format": Flag("value", "f"),
    "layout": Flag("untaught", "l"),
    "node": Flag("untaught", "n"),
    "watch": Flag("untaught", "w"),
}
LIST_FLAGS = {"output": Flag("value", "o"), "light": Flag("bool", "l"), "detailed": Flag("untaught")}
_HOST, _CLUSTER, _KUBECONFIG = 1, 2, 4
_TEXT = "{name}\ntype: Control Plane\nhost: {host}\nkubelet: {kubelet}\napiserver: {api}\nkubeconfig: {kubeconfig}\n\n"


def node_status(home: Home, config: dict[str, Any]) -> dict[str, Any] | None:
    """What `status -o json` shows; None where there is no machine."""
    name = config["Name"]
    host = host_state(home, name)
    if not host:
        return None
    if host != "Running":
        return _row(name, host, host, host, host)
    api = api_state(home, name)
    kubelet = home.node(name).kubelet()
    wanted = home.node(name).credentials
    server = UserKubeconfig(home.environment).server(name)
    configured = bool(wanted) and server == wanted["clusters"][0]["cluster"]["server"]
    return _row(name, host, kubelet, api, "Configured" if configured else "Misconfigured")


def _row(name: str, host: str, kubelet: str, api: str, kubeconfig: str) -> dict[str, Any]:
    return {
        "Name": name,
        "Host": host,
        "Kubelet": kubelet,
        "APIServer": api,
        "Kubeconfig": kubeconfig,
        "Worker": False,
    }


def exit_bits(row: dict[str, Any] | None) -> int:
    """1 host, 2 kubelet or API server, 4 kubeconfig (status.go); all of them without a machine (minikube.md)."""
    if row is None:
        return _HOST | _CLUSTER | _KUBECONFIG
    host = _HOST if row["Host"] != "Running" else 0
    cluster = _CLUSTER if (row["APIServer"], row["Kubelet"]) != ("Running", "Running") else 0
    return host | cluster | (_KUBECONFIG if row["Kubeconfig"] != "Configured" else 0)


def status(home: Home, profile: str, flags: Parsed) -> int:
    as_json = flags.get("output", "text").lower() == "json"
    config = partial(home, profile, Output(as_json=as_json))
    row = node_status(home, config)
    if as_json:
        sys.stdout.write(go_json(row))  # no final newline (recorded)
    elif flags.given("format"):
        sys.stdout.write(_formatted(flags.get("format"), row or _row(profile, *["Nonexistent"] * 4)))
    else:
        shown = row or _row(profile, *["Nonexistent"] * 4)
        text = _TEXT.format(
            name=shown["Name"],
            host=shown["Host"],
            kubelet=shown["Kubelet"],
            api=shown["APIServer"],
            kubeconfig=shown["Kubeconfig"],
        )
        sys.stdout.write(text)
    return exit_bits(row)


def _formatted(template: str, row: dict[str, Any]) -> str:
    """A Go template that only names fields."""
    left = re.sub(r"\{\{\s*\.(\w+)\s*\}\}", lambda match: str(row[match[1]]), template)
    if "{{" in left:
        raise StandinError(f"status --format {template}: only {{{{.Field}}}} is understood")
    return left


def profile_list(home: Home, flags: Parsed) -> int:
    if flags.get("output", "table") != "json":
        raise StandinError("profile list without -o json: the table isn't stood in for")
    light = flags.on("light")
    valid, invalid = home.names()
    current = UserKubeconfig(home.environment).current()
    rows = {
        "invalid": [] if light else [_profile_row(home, name, "", None, current) for name in invalid],
        "valid": [
            _profile_row(home, name, "Skipped" if light else _profile_status(home, name), home.load(name), current)
            for name in valid
        ],
    }
    sys.stdout.write(go_json(rows))
    return 0


def _profile_row(home: Home, name: str, state: str, config: dict[str, Any] | None, current: str) -> dict[str, Any]:
    is_active = config is not None and name == home.active_profile()
    return {
        "Name": name,
        "Status": state,
        "Config": config,
        "Active": is_active,
        "ActiveKubeContext": config is not None and name == current,
    }


def _profile_status(home: Home, name: str) -> str:
    """OK for a running cluster (recorded); Unknown where there is a profile and no machine."""
    row = node_status(home, home.load(name) or {})
    if row is None:
        return "Unknown"
    if row["Host"] != "Running":
        return str(row["Host"])
    if row["APIServer"] == "Paused":
        return "Paused"
    return "OK" if row["APIServer"] == "Running" else "Stopped"


def profile(home: Home, active: str, flags: Parsed) -> int:
    """`minikube profile` shows which is active, `minikube profile NAME` sets it."""
    if not flags.words:
        print(f"* {active}")
        return 0
    [name] = flags.words
    home.set("profile", None if name == "default" else name)
    print(f"* minikube profile was successfully set to {name}")
    return 0
