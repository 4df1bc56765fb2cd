"""Every field of kubeconfig's v1 API: its form, and what this tool does with it.

Source: k8s.io/client-go v0.36.3, tools/clientcmd/api/v1/types.go.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

HONOURED, IGNORED, REFUSED = "honoured", "ignored", "refused"

_TEXT, _FLAG, _DATA = "a string: put it in quotes", "true or false", "base64"
_TEXTS, _TEXTS_BY_NAME = "a list of strings", "a mapping of names to lists of strings"
_MAPPING, _MAPPINGS = "a mapping", "a list of mappings"


@dataclass(frozen=True)
class Field:
    """One field: what it has to be, and what becomes of it."""

    form: str
    handling: str = HONOURED


FIELDS: Mapping[str, Mapping[str, Field]] = {
    "Config": {
        "kind": Field(_TEXT, IGNORED),
        "apiVersion": Field(_TEXT, IGNORED),
        "preferences": Field(_MAPPING, IGNORED),
        "clusters": Field(_MAPPINGS),
        "users": Field(_MAPPINGS),
        "contexts": Field(_MAPPINGS),
        "current-context": Field(_TEXT, IGNORED),
        "extensions": Field(_MAPPINGS, IGNORED),
    },
    "Preferences": {"colors": Field(_FLAG, IGNORED), "extensions": Field(_MAPPINGS, IGNORED)},
    "Cluster": {
        "server": Field(_TEXT),
        "tls-server-name": Field(_TEXT),
        "insecure-skip-tls-verify": Field(_FLAG),
        "certificate-authority": Field(_TEXT),
        "certificate-authority-data": Field(_DATA),
        "proxy-url": Field(_TEXT),
        "disable-compression": Field(_FLAG),
        "extensions": Field(_MAPPINGS),
    },
    "AuthInfo": {
        "client-certificate": Field(_TEXT),
        "client-certificate-data": Field(_DATA),
        "client-key": Field(_TEXT),
        "client-key-data": Field(_DATA),
        "token": Field(_TEXT),
        "tokenFile": Field(_TEXT),
        "as": Field(_TEXT),
        "as-uid": Field(_TEXT),
        "as-groups": Field(_TEXTS),
        "as-user-extra": Field(_TEXTS_BY_NAME),
        "username": Field(_TEXT),
        "password": Field(_TEXT),
        "auth-provider": Field(_MAPPING, REFUSED),
        "exec": Field(_MAPPING),
        "extensions": Field(_MAPPINGS, IGNORED),
    },
    "Context": {
        "cluster": Field(_TEXT),
        "user": Field(_TEXT),
        "namespace": Field(_TEXT, IGNORED),
        "extensions": Field(_MAPPINGS, IGNORED),
    },
    "NamedCluster": {"name": Field(_TEXT), "cluster": Field(_MAPPING)},
    "NamedContext": {"name": Field(_TEXT), "context": Field(_MAPPING)},
    "NamedAuthInfo": {"name": Field(_TEXT), "user": Field(_MAPPING)},
    "NamedExtension": {"name": Field(_TEXT), "extension": Field("")},
    "AuthProviderConfig": {"name": Field(_TEXT, REFUSED), "config": Field(_MAPPING, REFUSED)},
    "ExecConfig": {
        "command": Field(_TEXT),
        "args": Field(_TEXTS),
        "env": Field(_MAPPINGS),
        "apiVersion": Field(_TEXT),
        "installHint": Field(_TEXT),
        "provideClusterInfo": Field(_FLAG),
        "interactiveMode": Field(_TEXT),
    },
    "ExecEnvVar": {"name": Field(_TEXT), "value": Field(_TEXT)},
}
"""By the names of the source's types, each field as a kubeconfig spells it."""


def has_form(field: Field, value: Any) -> bool:
    """Whether a value is of the field's form."""
    return _FORMS[field.form](value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_data(value: Any) -> bool:
    """As Go's decoder takes it: line breaks within are fine."""
    try:
        base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError, AttributeError):
        return False
    return True


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _are_texts_by_name(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value)) and all(map(_are_texts, value.values()))


_FORMS: Mapping[str, Callable[[Any], bool]] = {
    "": lambda _: True,
    _TEXT: _is_text,
    _FLAG: lambda value: isinstance(value, bool),
    _DATA: _is_data,
    _TEXTS: _are_texts,
    _TEXTS_BY_NAME: lambda value: (
        isinstance(value, dict) and all(map(_is_text, value)) and all(map(_are_texts, value.values()))
    ),
    _MAPPING: lambda value: isinstance(value, dict),
    _MAPPINGS: lambda value: isinstance(value, list) and all(isinstance(each, dict) for each in value),
}
