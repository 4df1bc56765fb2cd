"""Where the tool keeps things: the repository it runs from, its cache, and the state of each profile."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


def normal(path: Path) -> Path:
    """The path without `..` and `.`, to be shown; as it is where a symbolic link makes that another place."""
    short = Path(os.path.normpath(path))
    with suppress(ValueError):  # a NUL is in it: it is nowhere
        if ".." in path.parts and path.resolve() != short.resolve():
            return path
    return short


_MADE = ".made"
"""Names the folders above the profiles' that were made with it, the innermost first."""


def _xdg(variable: str, default: str) -> Path:
    value = os.environ.get(variable)
    return (Path(value) if value else Path.home() / default) / "canarylab"


def cache_home() -> Path:
    """Programs, charts and Go's own caches: shared by all profiles, removed by `teardown --purge` only."""
    return _xdg("XDG_CACHE_HOME", ".cache")


def state_home() -> Path:
    """One folder a profile below it."""
    return _xdg("XDG_STATE_HOME", ".local/state")


def make_home(home: Path) -> None:
    """Make a folder for profiles where there is none; it remembers what was made above it."""
    made = [folder for folder in home.parents if not folder.exists()]
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    if made:
        with suppress(OSError):  # no room for it: they stay when the last profile goes
            (home / _MADE).write_text("".join(f"{folder}\n" for folder in made))


def drop_home(home: Path) -> None:
    """Remove it where no profile is in it any more, and what was made above it as long as nothing else is in there."""
    with suppress(OSError):  # others are in it, or it was never made
        made = (home / _MADE).read_text().splitlines() if (home / _MADE).exists() else []
        if {entry.name for entry in home.iterdir()} <= {_MADE}:
            (home / _MADE).unlink(missing_ok=True)
            for folder in (home, *map(Path, made)):
                folder.rmdir()


@dataclass(frozen=True)
class ProfilePaths:
    """The files of one profile."""

    profile: str

    @property
    def root(self) -> Path:
        """The profile's own folder; it goes with the profile."""
        return state_home() / self.profile

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig for this cluster alone."""
        return self.root / "kubeconfig"

    @property
    def logs(self) -> Path:
        """The folder of what programs in the background write."""
        return self.root / "logs"

    @property
    def lock(self) -> Path:
        """Beside the profile's folder, so that teardown can delete the folder while it holds the lock."""
        return state_home() / f"{self.profile}.lock"

    def create(self) -> None:
        """Make the folders, for their owner only, where they aren't there."""
        make_home(self.root.parent)
        self.root.mkdir(exist_ok=True, mode=0o700)
        self.root.chmod(0o700)
        self.logs.mkdir(exist_ok=True)
