"""What a cluster's and a user's entry in a kubeconfig come to, as kubectl reads them. Pure."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
"""The fields of a cluster or a user that name files, relative to the kubeconfig they stand in."""


def absolute(content: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A cluster or a user whose files, and whose credential program, are found from anywhere. Pure."""
    named = {key: content[key] for key in _FILES if content.get(key)}
    paths: dict[str, Any] = {key: str(folder / value) for key, value in named.items() if isinstance(value, str)}
    program = content.get("exec")
    if isinstance(program, dict) and os.sep in str(program.get("command")):  # else it is looked for on the PATH
        paths["exec"] = {**program, "command": str(folder / program["command"])}
    return {**content, **paths}


def is_secure(cluster: Mapping[str, Any]) -> bool:
    """Whether the API server is asked over TLS: over plain HTTP, kubectl sends no credentials at all.

    Source: client-go v0.36.3, tools/clientcmd/client_config.go, "only try to read the auth information if we are
    secure"; rest/url_utils.go takes a server without a scheme to be plain HTTP.
    """
    return urlsplit(server_url(cluster)).scheme == "https"


def server_url(cluster: Mapping[str, Any]) -> str:
    """Where the API server is."""
    server = str(cluster["server"])
    return server if "://" in server else f"http://{server}"


def logs_in_otherwise(user: Mapping[str, Any]) -> bool:
    """Whether the user has credentials that go before those of a program (`exec`), which then isn't run.

    Source: client-go v0.36.3, plugin/pkg/client/auth/exec/exec.go, UpdateTransportConfig.
    """
    return bool(has(user, "token", "tokenFile", "username", "password") or has_certificate(user))


def has_certificate(user: Mapping[str, Any]) -> bool:
    """Whether the user logs in by a certificate: it counts with its key only."""
    return has(user, "client-certificate", "client-certificate-data") and has(user, "client-key", "client-key-data")


def has(content: Mapping[str, Any], *keys: str) -> bool:
    """Whether any of the fields is set, and not empty."""
    return any(content.get(key) for key in keys)


def is_sendable(token: str) -> bool:
    """Whether a token can stand in a request: visible ASCII. (A refusal further down would print it.)"""
    return re.fullmatch(r"[\x20-\x7e]*", token) is not None
