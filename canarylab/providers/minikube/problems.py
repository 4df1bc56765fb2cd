"""minikube's reasons and known traps, each with what minikube leaves out: why it happened, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from canarylab.errors import CanarylabError, MachineError, StageError
from canarylab.tools.minikube import Reason, plain, reason_of
from canarylab.tools.runner import tail

if TYPE_CHECKING:
    from canarylab.contract.context import Context

_ISSUES = "https://github.com/kubernetes/minikube/issues/"
_TAIL_LINES = 8

SOCKET_VMNET_START = "sudo $(brew --prefix)/bin/brew services start socket_vmnet"
"""As its makers say it: the service of root's Homebrew services, but the user's Homebrew."""

SOCKET_VMNET_RESTART = SOCKET_VMNET_START.replace(" start ", " restart ")

UNBLOCK_BOOTPD = (
    "sudo /usr/libexec/ApplicationFirewall/socketfilterfw --add /usr/libexec/bootpd && "
    "sudo /usr/libexec/ApplicationFirewall/socketfilterfw --unblock /usr/libexec/bootpd"
)


@dataclass(frozen=True)
class Problem:
    """What is wrong, as a user needs it, and how it is recognised, as traps.yaml has it."""

    name: str
    why: str = ""
    remedy: str = ""
    issues: Sequence[int] = ()
    machine: bool = False
    """Whether it is this machine that can't do it, as it is."""
    text: str = ""
    ids: Sequence[str] = ()
    code: int | None = None

    def remedy_for(self, ctx: Context) -> str:
        """The remedy with its commands filled in: those of this tool are for the same playbook and cluster."""
        return self.remedy.format(
            socket_vmnet_start=SOCKET_VMNET_START,
            socket_vmnet_restart=SOCKET_VMNET_RESTART,
            unblock_bootpd=UNBLOCK_BOOTPD,
            recreation=recreation(ctx),
            up=ctx.command("up"),
            up_recreate=ctx.command("up --recreate"),
            tunnel_status=ctx.command("tunnel status"),
            doctor=ctx.command("doctor"),
        )


def recreation(ctx: Context) -> str:
    """How to have the cluster deleted, and made again or not."""
    again, only = ctx.command("up --recreate"), ctx.command("teardown")
    return f"`{again}` deletes the cluster and creates it again; `{only}` only deletes it"


_TRAPS = tuple(Problem(**entry) for entry in yaml.safe_load(Path(__file__).with_name("traps.yaml").read_text()))
"""Those of traps.yaml, in its order."""


def explain(exit_code: int, reason_id: str, text: str) -> Problem:
    """The problem behind an exit code, minikube's id of it and what was printed: the plainest sign is words.

    minikube's patterns miss some of what they are for, so the same trap comes under a general id as well. What is
    not known is a problem without an explanation.
    """
    by_words = (trap for trap in _TRAPS if trap.text and re.search(trap.text, text))
    by_id = (trap for trap in _TRAPS if reason_id in trap.ids)
    by_code = (trap for trap in _TRAPS if trap.code == exit_code and not reason_id)
    ended = f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
    return next(chain(by_words, by_id, by_code), Problem(reason_id or ended))


def failure(
    what: str,
    output: str,
    exit_code: int,
    ctx: Context,
    *,
    hints: Iterable[str] = (),
    otherwise: str = "",
    where: str | None = None,
) -> CanarylabError:
    """The error for a minikube that gave up: `what` it was to do, `output` all that it printed.

    `hints` are things known from elsewhere that help to recognise a trap, such as the machine's address; `otherwise`
    is the remedy where nothing is known.
    """
    reason = reason_of(output, exit_code) or Reason("", "")
    problem = explain(exit_code, reason.id, "\n".join([output, reason.message, *hints]))
    advice = advice_for(reason.advice, ctx.profile)
    links = dict.fromkeys((*(f"{_ISSUES}{number}" for number in problem.issues), *reason.links))
    said = reason.message or tail(plain(output), _TAIL_LINES)
    known = problem.remedy_for(ctx)
    unknown = otherwise or f"`minikube logs` has more; `{ctx.command('up')}` goes on from here"
    remedies = [known or "; ".join(filter(None, (advice, unknown)))]
    if known and advice:
        remedies.append(f"minikube's own advice: {advice}")
    if links:
        remedies.append(f"more: {', '.join(links)}")
    kind = MachineError if problem.machine else StageError
    return kind(
        f"minikube couldn't {what} ({reason.id or problem.name})",
        where=where,
        why="; minikube says: ".join(filter(None, (problem.why, said))) if problem.why else said,
        remedy="; ".join(remedies),
    )


def advice_for(advice: str, profile: str) -> str:
    """minikube's advice with what it forgot to fill in: a literal `{{.profile}}` stands for ` -p NAME`, or for NAME."""
    named = re.sub(r"(-p |--profile[ =])\{\{\.profile\}\}", rf"\g<1>{profile}", advice)
    return " ".join(re.sub(r" ?\{\{\.profile\}\}", f" -p {profile}", named).split())
