"""Short commands: ip, version, config, ssh, node, kubectl, update-context."""

from __future__ import annotations

import os
import subprocess
import sys

from canarylab.errors import CommandError

from .errors import Exit, StandinError
from .flags import Flag, Parsed
from .home import VERSION, Home
from .loaded import partial, running
from .output import Output, go_json
from .user_kubeconfig import UserKubeconfig

VERSION_FLAGS = {"output": Flag("value", "o"), "short": Flag("bool"), "components": Flag("untaught")}
NODE_FLAG = {"node": Flag("untaught", "n")}
SSH_FLAGS = {**NODE_FLAG, "native-ssh": Flag("bool")}
_SETTINGS = ("profile", "driver", "memory", "cpus", "WantUpdateNotification", "container-runtime", "rootless")
_USAGE = 14
_SUDO = 'sudo() { while [ "${1#-}" != "$1" ]; do shift; done; "$@"; }; '
"""The machine's root has no sudo, and needs none."""


def version(flags: Parsed) -> int:
    if flags.get("output") == "json":
        sys.stdout.write(go_json({"commit": "", "minikubeVersion": VERSION}) + "\n")
    elif flags.on("short"):
        print(VERSION)
    else:
        print(f"minikube version: {VERSION}\ncommit: ")
    return 0


def ip(home: Home, profile: str) -> int:
    """The node's address as the profile has it: 10.0.2.15 on qemu's builtin network."""
    print(running(home, profile, Output(as_json=False))["Nodes"][0]["IP"])
    return 0


def ssh(home: Home, profile: str, flags: Parsed) -> int:
    """Run a command in the machine. Whatever it ends with, minikube ends with 1 (minikube.md)."""
    words = [*flags.words, *flags.rest]
    if not words:
        raise StandinError("minikube ssh without a command: there is no terminal to stand in for")
    running(home, profile, Output(as_json=False))
    try:
        done = home.node(profile).run(["sh", "-c", _SUDO + " ".join(words)], ok=range(256))
    except CommandError as error:
        print(error, file=sys.stderr)
        return 1
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    if done.code:
        sys.stderr.write(f"ssh: Process exited with status {done.code}\n")
    return 1 if done.code else 0


def config(home: Home, flags: Parsed) -> int:
    """`config get|set|unset`."""
    action, *words = flags.words
    if action == "get" and len(words) == 1:
        value = home.settings().get(words[0])
        if value is None:
            print("Error: specified key could not be found in config", file=sys.stderr)
            return _USAGE
        print(value)
    elif action == "set" and len(words) == 2 and words[0] in _SETTINGS:
        home.set(words[0], words[1])
    elif action == "unset" and len(words) == 1 and words[0] in _SETTINGS:
        if words[0] in home.settings():
            home.set(words[0], None)
    else:
        raise StandinError(f"minikube config {' '.join(flags.words)}: not stood in for")
    return 0


def node(home: Home, profile: str, flags: Parsed) -> int:
    if flags.words != ["list"]:
        raise StandinError(f"minikube node {' '.join(flags.words)}: there is one node")
    print(f"{profile}\t{partial(home, profile, Output(as_json=False))['Nodes'][0]['IP']}")
    return 0


def kubectl(home: Home, profile: str, flags: Parsed) -> int:
    """The node's own kubectl, on the profile's cluster."""
    partial(home, profile, Output(as_json=False))
    behind = home.node(profile)
    argv = [str(behind.kubectl), "--kubeconfig", str(behind.own_kubeconfig), "--context", profile]
    environment = {**os.environ, "NO_PROXY": "*", "KUBECACHEDIR": str(home.standin / "kube-cache")}
    return subprocess.run([*argv, *flags.words, *flags.rest], env=environment, check=False).returncode


def update_context(home: Home, profile: str) -> int:
    """Put the profile's entries into the kubeconfig again where they are another's, and make the context current."""
    loaded = running(home, profile, Output(as_json=False))
    user = UserKubeconfig(home.environment)
    credentials = home.node(profile).credentials
    server = credentials["clusters"][0]["cluster"]["server"]
    if user.server(profile) == server:
        print(f'! No changes required for the "{profile}" context')
    else:
        print(f'* "{profile}" context has been updated to point to {server.removeprefix("https://")}')
    user.add(home, {**loaded, "KeepContext": False}, credentials)
    print(f'* Current context is "{profile}"')
    return 0


def unknown(word: str) -> Exit:
    print(f'Error: unknown command "{word}" for "minikube"\nRun \'minikube --help\' for usage.', file=sys.stderr)
    return Exit(_USAGE)
