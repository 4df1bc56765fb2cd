"""Command lines of the Argo Rollouts plugin of kubectl. Pure: nothing is started here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PROGRAM = "kubectl-argo-rollouts"
TIMEOUT = 60.0
"""Seconds a command may take: each is one or two requests to the API."""


@dataclass(frozen=True)
class Plugin:
    """The plugin, bound to one cluster. `folder` is where the program lies; None: it is found on the PATH."""

    kubeconfig: Path
    context: str
    folder: Path | None = None

    def set_image(self, namespace: str, rollout: str, container: str, image: str) -> list[str]:
        """Give a container of the pod template another image, which begins an update."""
        return self._argv(namespace, "set", "image", rollout, f"{container}={image}")

    def promote(self, namespace: str, rollout: str, *, full: bool = False) -> list[str]:
        """Go on after a pause; `full` skips all steps, pauses and analyses that are left."""
        return self._argv(namespace, "promote", rollout, *(["--full"] if full else []))

    def abort(self, namespace: str, rollout: str) -> list[str]:
        """Send all traffic back to stable; the spec keeps the new template until it is set back."""
        return self._argv(namespace, "abort", rollout)

    def retry(self, namespace: str, rollout: str) -> list[str]:
        """Try an aborted update again, from its first step."""
        return self._argv(namespace, "retry", "rollout", rollout)

    def undo(self, namespace: str, rollout: str, revision: int) -> list[str]:
        """Put the whole template back to that revision's."""
        return self._argv(namespace, "undo", rollout, f"--to-revision={revision}")

    def get_rollout(self, namespace: str, rollout: str) -> list[str]:
        """Print the tree of the Rollout, its revisions and their pods as plain text."""
        return self._argv(namespace, "get", "rollout", rollout, "--no-color")

    def _argv(self, namespace: str, *words: str) -> list[str]:
        program = str(self.folder / PROGRAM) if self.folder else PROGRAM
        where = ["--namespace", namespace, "--kubeconfig", str(self.kubeconfig), "--context", self.context]
        return [program, *words, *where]
