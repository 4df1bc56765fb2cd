"""Asks minikube, and makes it do things: never as root, in plain words, and whatever its exit code."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from canarylab.providers.minikube import sudo
from canarylab.providers.minikube.problems import failure
from canarylab.tools import minikube
from canarylab.tools.minikube import Minikube, NodeStatus, Profile, parse_event
from canarylab.tools.runner import Result

if TYPE_CHECKING:
    from canarylab.contract.context import Context

ASK_SECONDS = 60.0
"""For what only looks: a virtual machine that hangs is waited for over SSH."""


def call(ctx: Context, argv: Sequence[str], *, timeout: float, on_line: Callable[[str], None] | None = None) -> Result:
    """Run minikube to its end; what its exit code means is the caller's. Raises MachineError under sudo."""
    sudo.refuse_sudo_invoke()
    return ctx.runner.run(argv, timeout=timeout, env=minikube.ENVIRONMENT, ok=minikube.ANY_CODE, on_line=on_line)


def call_or_raise(ctx: Context, argv: Sequence[str], what: str, *, timeout: float, where: str | None = None) -> Result:
    """`call`, which raises the error that explains it where minikube couldn't do `what`."""
    result = call(ctx, argv, timeout=timeout)
    if result.code:
        raise failure(what, result.output, result.code, ctx, where=where)
    return result


def profiles(ctx: Context) -> dict[str, Profile]:
    """Every profile of the user, by name. Raises where minikube can't say."""
    listed = call_or_raise(ctx, minikube.profile_list(), "list its profiles", timeout=ASK_SECONDS)
    return minikube.parse_profiles(listed.stdout)


def nodes(ctx: Context) -> list[NodeStatus]:
    """How the profile's nodes are; none where their machine is gone."""
    return minikube.parse_status(call(ctx, Minikube(ctx.profile).status(), timeout=ASK_SECONDS).stdout)


def profile_setting(ctx: Context) -> str:
    """The profile that `minikube` without -p is about; "" where none is set."""
    result = call(ctx, minikube.config_get("profile"), timeout=ASK_SECONDS)
    return result.stdout.strip() if result.code == 0 else ""


@dataclass
class Reporter:
    """minikube's events as progress: gets each line that it prints, and passes over what isn't an event."""

    ctx: Context
    last: str = "none"
    """The last step."""

    def __call__(self, line: str) -> None:
        event = parse_event(line)
        if event is None:
            return
        if event.kind == "step":
            self.last = event.message
            self.ctx.progress(event.message, *(event.step or ()))
        elif event.kind.startswith("download"):
            self._download(event.data)
        elif event.kind == "warning":
            self.ctx.progress(f"minikube warns: {event.message}")
        elif event.kind == "info" and not re.match(r"[A-Z_]+=", event.message):  # it echoes its environment
            self.ctx.progress(event.message)

    def _download(self, data: Mapping[str, str]) -> None:
        self.last = f"downloading {data.get('artifact', '')}"
        share = re.fullmatch(r"(0|1)(\.\d+)?", data.get("progress", ""))
        self.ctx.progress(self.last, *((round(float(share[0]) * 100), 100) if share else ()))
