"""Where the tool keeps things: the repository it runs from, its cache, and the state of each profile."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


def _xdg(variable: str, default: str) -> Path:
    value = os.environ.get(variable)
    return (Path(value) if value else Path.home() / default) / "canarylab"


def cache_home() -> Path:
    """Programs, charts and Go's own caches: shared by all profiles, removed by `teardown --purge` only."""
    return _xdg("XDG_CACHE_HOME", ".cache")


def state_home() -> Path:
    """One folder a profile below it."""
    return _xdg("XDG_STATE_HOME", ".local/state")


@dataclass(frozen=True)
class ProfilePaths:
    """The files of one profile."""

    profile: str

    @property
    def root(self) -> Path:
        return state_home() / self.profile

    @property
    def kubeconfig(self) -> Path:
        return self.root / "kubeconfig"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def lock(self) -> Path:
        """Beside the profile's folder, so that teardown can delete the folder while it holds the lock."""
        return state_home() / f"{self.profile}.lock"

    def create(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.root.chmod(0o700)
        self.logs.mkdir(exist_ok=True)
