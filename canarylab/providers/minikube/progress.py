"""minikube's events as progress."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from canarylab.tools.minikube import parse_event

if TYPE_CHECKING:
    from canarylab.contract.context import Context


class Reporter:
    """Gets each line that minikube prints; what isn't an event is passed over. `last` is the last step."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self.last = "none"

    def __call__(self, line: str) -> None:
        event = parse_event(line)
        if event is None:
            return
        if event.kind == "step":
            self.last = event.message
            self._ctx.progress(event.message, *(event.step or ()))
        elif event.kind.startswith("download"):
            self._download(event.data)
        elif event.kind == "warning":
            self._ctx.progress(f"minikube warns: {event.message}")
        elif event.kind == "info" and not re.match(r"[A-Z_]+=", event.message):  # it echoes its environment
            self._ctx.progress(event.message)

    def _download(self, data: Mapping[str, str]) -> None:
        self.last = f"downloading {data.get('artifact', '')}"
        share = re.fullmatch(r"(0|1)(\.\d+)?", data.get("progress", ""))
        self._ctx.progress(self.last, *((round(float(share[0]) * 100), 100) if share else ()))
