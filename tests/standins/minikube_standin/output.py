"""What minikube prints: lines of text, or one CloudEvent a line with --output=json."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, NoReturn

from .errors import Exit
from .reasons import Reason

START_STEPS = (  # minikube.md; numbers in recorded.jsonl
    "Initial Minikube Setup",
    "Selecting Driver",
    "Downloading Artifacts",
    "Starting Node",
    "Updating Driver",
    "Pulling Base Image",
    "Running on Localhost",
    "Local OS Release",
    "Creating Container",
    "Creating VM",
    "Running Remotely",
    "Preparing Kubernetes",
    "Generating certificates",
    "Booting control plane",
    "Configuring RBAC rules",
    "Configuring CNI",
    "Configuring Localhost Environment",
    "Verifying Kubernetes",
    "Enabling Addons",
    "Done",
)
STOP_STEPS = ("Stopping", "PowerOff", "Done")
PAUSE_STEPS = ("Pausing", "Done")
UNPAUSE_STEPS = ("Unpausing", "Done")
DELETE_STEPS = ("Deleting", "Stopping", "Deleting", "Done")
_BOX_WIDTH = 93


class Output:
    """`steps` are those of the command; `log` is the profile's events.json, which every event is appended to."""

    def __init__(
        self,
        *,
        as_json: bool,
        steps: Sequence[str] = (),
        log: Path | None = None,
    ) -> None:
        self.as_json = as_json
        self._steps = tuple(steps)
        self._log = log

    def step(self, name: str, message: str) -> None:
        """A step; `currentstep` is empty on a detour, such as `Deleting` within a start (minikube.md)."""
        number = str(self._steps.index(name)) if name in self._steps else ""
        data = {"currentstep": number, "message": message, "name": name, "totalsteps": str(len(self._steps) - 1)}
        if not self._event("step", data):
            self._line(sys.stdout, f"* {message}")

    def download(self, artifact: str, progress: str | None = None) -> None:
        number = START_STEPS.index("Downloading Artifacts")
        data = {"artifact": artifact, "currentstep": str(number), "totalsteps": str(len(START_STEPS) - 1)}
        kind = "download" if progress is None else "download.progress"
        self._event(kind, data if progress is None else {**data, "progress": progress})

    def info(self, message: str, mark: str = "  - ") -> None:
        if not self._event("info", {"message": message}):
            self._line(sys.stdout, mark + message)

    def warning(self, message: str) -> None:
        if not self._event("warning", {"message": message}):
            self._line(sys.stderr, f"! {message}")

    def error(self, message: str) -> None:
        """An error that isn't the end: an event without a reason."""
        if not self._event("error", {"message": message}):
            self._line(sys.stderr, f"* {message}")

    def raw(self, line: str) -> None:
        """A line that is no event even with --output=json, as qemu's `OUTPUT:` and `ERROR:` (minikube.md)."""
        self._line(sys.stdout, line)

    def refuse(self, reason: Reason, message: str) -> None:
        """Print a reason and go on: what --force makes of most refusals (recorded)."""
        data = {
            "advice": reason.advice,
            "exitcode": str(reason.exit),
            "issues": ",".join(f"https://github.com/kubernetes/minikube/issues/{number}" for number in reason.issues),
            "message": message.strip(),
            "name": reason.id,
            "url": reason.url,
        }
        if self._event("error", data):
            return
        sys.stdout.write("\n\n")
        self._line(sys.stderr, f"{reason.mark} Exiting due to {reason.id}: {message}")
        if reason.advice:
            self._line(sys.stderr, f"* Suggestion: {reason.advice}")
        if reason.url:
            self._line(sys.stderr, f"* Documentation: {reason.url}")

    def exit(self, reason: Reason, message: str, *, box: bool = False) -> NoReturn:
        """Print a reason and end. Errors that minikube didn't foresee come with a box about filing an issue."""
        self.refuse(reason, message)
        if box and not self.as_json:
            self._box()
        raise Exit(reason.exit)

    def _box(self) -> None:
        content = (
            "",
            "* If the above advice does not help, please let us know:",
            "  https://github.com/kubernetes/minikube/issues/new/choose",
            "",
            "* Please run `minikube logs --file=logs.txt` and attach logs.txt to the GitHub issue.",
            "* Please also attach the following file to the GitHub issue:",
            "* - /tmp/file",
            "",
        )
        self._line(sys.stderr, "* ")
        self._line(sys.stderr, "╭" + "─" * _BOX_WIDTH + "╮")
        for line in content:
            self._line(sys.stderr, "│" + f"    {line}".ljust(_BOX_WIDTH) + "│")
        self._line(sys.stderr, "╰" + "─" * _BOX_WIDTH + "╯")

    def _event(self, kind: str, data: dict[str, Any]) -> bool:
        """Log it, and print it where events are wanted; whether they are."""
        event = {
            "specversion": "1.0",
            "id": str(uuid.uuid4()),
            "source": "https://minikube.sigs.k8s.io/",
            "type": f"io.k8s.sigs.minikube.{kind}",
            "datacontenttype": "application/json",
            "data": data,
        }
        line = go_json(event)
        if self._log:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            with self._log.open("a") as log:
                log.write(line + "\n")
        if self.as_json:
            self._line(sys.stdout, line)
        return self.as_json

    @staticmethod
    def _line(stream: IO[str], line: str) -> None:
        stream.write(line + "\n")
        stream.flush()


def go_json(value: Any) -> str:
    """JSON as Go's encoder writes it: no spaces, and what HTML could trip over escaped."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
