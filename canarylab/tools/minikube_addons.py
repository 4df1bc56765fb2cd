"""minikube's addons: the command lines, and the list that it prints. Pure."""

from __future__ import annotations

import json

from canarylab.errors import StageError
from canarylab.tools.minikube import PROGRAM


def list_argv(profile: str) -> list[str]:
    """Which addons are enabled, by minikube's own notes of the profile; the cluster isn't asked."""
    return [PROGRAM, "-p", profile, "addons", "list", "-o", "json"]


def enable_argv(profile: str, addon: str) -> list[str]:
    """Applies the addon's objects, also where it is enabled already; doesn't wait for what they start."""
    return [PROGRAM, "-p", profile, "addons", "enable", addon]


def disable_argv(profile: str, addon: str) -> list[str]:
    """Deletes the addon's objects."""
    return [PROGRAM, "-p", profile, "addons", "disable", addon]


def parse_list(text: str) -> dict[str, bool]:
    """Whether each addon that this minikube knows is enabled. Raises StageError for anything else than that list."""
    try:
        return {name: addon["Status"] == "enabled" for name, addon in json.loads(text).items()}
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise StageError(
            "minikube's list of addons can't be read",
            why=f"it begins with {text[:60]!r}",
            remedy="`minikube version` says which one it is; this tool knows the list of 1.38",
        ) from error
