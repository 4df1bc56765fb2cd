"""`invoke tunnel start|stop|status`: the way to LoadBalancer Services, by itself."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

from canarylab.commands.run import Options, run
from canarylab.contract.context import Context
from canarylab.contract.provider import TunnelStatus
from canarylab.errors import EXIT_DONE, EXIT_FAILED, UsageError
from canarylab.lock import locked
from canarylab.report import page
from canarylab.report.lines import Line, Piece, line

_ACTIONS = ("start", "stop", "status")


def tunnel(options: Options, action: str) -> int:
    """`status` ends with 1 where the tunnel doesn't run or has a problem."""

    def work(ctx: Context) -> int:
        if action not in _ACTIONS:
            raise UsageError(f"there is no `tunnel {action}`", remedy=f"one of {', '.join(_ACTIONS)}")
        if action != "status":
            command, access = f"tunnel {action}", ctx.provider.access
            with locked(ctx.paths.lock, command), ctx.provider.infrastructure.session(ctx, command):
                (access.tunnel_start if action == "start" else access.tunnel_stop)(ctx)
        status = ctx.provider.access.tunnel_status(ctx)
        page.show(_as_json(status), lambda _: lines(ctx.profile, status), options.output, sys.stdout)
        is_well = not status.running if action == "stop" else status.running and not status.problems
        return EXIT_DONE if is_well else EXIT_FAILED

    return run(options, work)


def _as_json(status: TunnelStatus) -> dict[str, Any]:
    """Its fields, of which programs that read them know `permanent` as `lasting`."""
    return {"lasting" if key == "permanent" else key: value for key, value in dataclasses.asdict(status).items()}


def lines(profile: str, status: TunnelStatus) -> list[Line]:
    """The block that `minikube tunnel` prints, with the addresses."""
    rows = [
        ("machine", profile),
        ("pid", status.pid if status.pid else "not running"),
        ("route", status.route),
        *((f"service {name}", address) for name, address in status.addresses.items()),
        *((("note", status.note),) if status.note else ()),
        ("errors", "; ".join(status.problems) or "no errors"),
    ]
    return [line("Status:"), *(Line((Piece(str(value)),), (Piece(f"  {key}: "),)) for key, value in rows)]
