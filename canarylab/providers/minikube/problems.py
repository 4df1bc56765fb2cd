"""minikube's reasons and known traps, each with what minikube leaves out: why it happened, and what to do."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from canarylab.errors import CanarylabError, MachineError, StageError
from canarylab.providers.minikube import reachability
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
class Cause:
    """One of several that a sign may have. What it depends on are facts of `reachability`.

    `only`: all of them have to be known for it; `never`: none of them may be; `certain`: with all of them, it is it.
    """

    why: str
    remedy: str
    only: Sequence[str] = ()
    never: Sequence[str] = ()
    certain: Sequence[str] = ()


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
    causes: Sequence[Cause] = ()
    """Where the sign has several, the likeliest first. `why` then is what is certain."""

    def as_far_as(self, facts: Collection[str]) -> Problem:
        """The same, with its causes in words: one alone as a fact only if it was checked."""
        fitting = [
            cause for cause in self.causes if set(cause.only) <= set(facts) and not set(cause.never) & set(facts)
        ]
        if not fitting:
            return self
        known = next((cause for cause in fitting if cause.certain and set(cause.certain) <= set(facts)), None)
        if known:
            return replace(self, why=known.why, remedy=known.remedy)
        whys, remedies = _counted(cause.why for cause in fitting), _counted(cause.remedy for cause in fitting)
        likely = "the likeliest causes, in this order" if len(fitting) > 1 else "the likeliest cause"
        return replace(self, why=f"{self.why}; {likely}: {whys}", remedy=remedies)

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


def _counted(texts: Iterable[str]) -> str:
    """One as it is, several each with its number."""
    each = list(texts)
    return each[0] if len(each) == 1 else "; ".join(f"({number}) {text}" for number, text in enumerate(each, 1))


def _trap(entry: dict[str, Any]) -> Problem:
    return Problem(**{**entry, "causes": tuple(Cause(**cause) for cause in entry.get("causes", ()))})


_TRAPS = tuple(map(_trap, yaml.safe_load(Path(__file__).with_name("traps.yaml").read_text())))
"""Those of traps.yaml, in its order."""


def explain(exit_code: int, reason_id: str, text: str) -> Problem:
    """The problem behind an exit code, minikube's id of it and what was printed, as far as this system tells."""
    return _recognised(exit_code, reason_id, text).as_far_as(reachability.system_facts())


def _recognised(exit_code: int, reason_id: str, text: str) -> Problem:
    """The trap that fits: the plainest sign is words.

    minikube's patterns miss some of what they are for, so the same trap comes under a general id as well. What is
    not known is a problem without an explanation.
    """
    by_words = (trap for trap in _TRAPS if trap.text and re.search(trap.text, f"{text}\n{reason_id}"))
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
    text = "\n".join([output, reason.message, *hints])
    problem = _recognised(exit_code, reason.id, text)
    if problem.causes:
        problem = problem.as_far_as(reachability.seen(ctx.runner, text))
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
