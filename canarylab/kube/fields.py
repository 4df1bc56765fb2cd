"""Every field of kubeconfig's v1 API: its form, what this tool does with it, and what is wrong with a context.

What kubectl and Helm refuse is refused here too, before anything is asked: else the tool would work as somebody whom
Helm can't be. Source: k8s.io/client-go v0.36.3, tools/clientcmd/api/v1/types.go for the fields,
tools/clientcmd/validation.go, tools/clientcmd/helpers.go and transport/transport.go for what is refused.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

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

EXEC_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
"""The versions of the interface to credential programs that client-go speaks."""
_INTERACTIVE = ("Never", "IfAvailable", "Always")

_FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
"""The fields of a cluster or a user that name files, relative to the kubeconfig they stand in."""
_PROXY_SCHEMES = ("http", "https", "socks5")
_AGAIN = "let the cluster's own tool write the kubeconfig again"


@dataclass(frozen=True)
class Fault:
    """What is wrong with a field. `section` is one of clusters, users and contexts; `key` may have periods."""

    section: str
    key: str
    what: str
    remedy: str
    why: str | None = None


def absolute(content: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A cluster or a user whose files, and whose credential program, are found from anywhere. Pure."""
    paths: dict[str, Any] = {
        key: str(folder / value) for key in _FILES if _is_text(value := content.get(key)) and value
    }
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
    return bool(_has(user, "token", "tokenFile", "username", "password") or _has_certificate(user))


def faults(context: Any, cluster: Any, user: Any) -> Iterator[Fault]:
    """All that kubectl or this tool refuses of a context, its cluster and its user, their files made `absolute`."""
    wrong = [
        *_wrong_forms("contexts", "Context", context),
        *_wrong_forms("clusters", "Cluster", cluster),
        *_wrong_forms("users", "AuthInfo", user),
    ]
    if wrong:
        yield from wrong
        return
    yield from _in_context(context)
    yield from _in_cluster(cluster)
    yield from _in_identity(user)
    yield from _in_certificates(user)
    yield from _in_impersonation(user)
    if user.get("exec") and not logs_in_otherwise(user):
        yield from _in_program(user["exec"])


def _wrong_forms(section: str, kind: str, content: Any, above: str = "") -> Iterator[Fault]:
    if not isinstance(content, Mapping):
        yield Fault(section, above.rstrip("."), f"must be {_MAPPING}", _AGAIN)
        return
    for key, field in FIELDS[kind].items():
        value = content.get(key)
        if value is not None and field.handling != REFUSED and not _FORMS[field.form](value):
            yield Fault(section, above + key, f"must be {field.form}", "fix the kubeconfig, or " + _AGAIN)
    program = content.get("exec") if kind == "AuthInfo" else None
    if isinstance(program, Mapping):
        yield from _wrong_forms(section, "ExecConfig", program, "exec.")
        variables = program.get("env")
        for variable in variables if isinstance(variables, list) else []:
            yield from _wrong_forms(section, "ExecEnvVar", variable, "exec.env.")


def _in_context(context: Mapping[str, Any]) -> Iterator[Fault]:
    namespace = context.get("namespace")
    if namespace and not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", namespace):
        yield Fault("contexts", "namespace", f"{namespace!r} isn't a valid namespace name", "fix the kubeconfig")


def _in_cluster(cluster: Mapping[str, Any]) -> Iterator[Fault]:
    if not cluster.get("server"):
        yield Fault("clusters", "server", "the cluster has no server address", _AGAIN)
        return
    if problem := _wrong_url(server_url(cluster), ("http", "https")):
        yield Fault("clusters", "server", problem, "fix the kubeconfig: https://HOST:PORT")
    proxy = cluster.get("proxy-url")
    if proxy and (problem := _wrong_url(proxy, _PROXY_SCHEMES)):
        yield Fault("clusters", "proxy-url", problem, *_for_proxies(proxy))
    yield from _given_twice("clusters", cluster, "certificate-authority")
    if is_secure(cluster) and cluster.get("insecure-skip-tls-verify"):
        for key in ("certificate-authority", "certificate-authority-data"):
            if cluster.get(key):
                what = "set together with a certificate authority, which kubectl and Helm refuse"
                yield Fault("clusters", "insecure-skip-tls-verify", what, f"remove one of the two: this or {key}")
    yield from _unreadable("clusters", cluster, "certificate-authority")


def _for_proxies(proxy: str) -> tuple[str, str]:
    """The remedy for a proxy that kubectl doesn't take, and why."""
    why = f"kubectl and Helm accept only {', '.join(_PROXY_SCHEMES)} here"
    if proxy.startswith("socks"):
        return "write socks5://HOST:PORT; host names are still resolved by the proxy", why
    return "put http://, https:// or socks5:// in front of the proxy's address", why


def _wrong_url(url: str, schemes: tuple[str, ...]) -> str | None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # a port that is none raises
    except ValueError as error:
        return f"not a URL: {error}"
    if parts.scheme not in schemes:
        return f"unsupported scheme {parts.scheme!r}: use {' or '.join(schemes)}"
    return None if host else "the URL has no host"


def _in_identity(user: Mapping[str, Any]) -> Iterator[Fault]:
    if provider := user.get("auth-provider"):
        name = provider.get("name") if isinstance(provider, Mapping) else provider
        yield Fault(
            "users",
            "auth-provider",
            f"the login method `auth-provider: {name}` isn't supported",
            f"{_AGAIN}, with a credential plugin (`exec`); for oidc that is kubectl's plugin oidc-login",
            "client-go has removed all of them except oidc, in favour of `exec`",
        )
    if _has(user, "token") and _has(user, "username", "password"):
        yield Fault(
            "users",
            "token",
            "both a token and a username or password are set",
            "remove one of them: kubectl allows only one",
        )
    if _has(user, "token") and not is_sendable(user["token"]):
        yield Fault("users", "token", "the token contains a line break or a non-ASCII character", _AGAIN)
    if not _has(user, "token"):  # with one, the file may come later
        yield from _unreadable("users", user, "tokenFile")


def _in_certificates(user: Mapping[str, Any]) -> Iterator[Fault]:
    if not (_has(user, "client-certificate") or _has(user, "client-certificate-data")):
        return
    yield from _given_twice("users", user, "client-certificate")
    yield from _given_twice("users", user, "client-key")
    if not _has_certificate(user):
        yield Fault(
            "users", "client-certificate", "a client certificate without its key", "add client-key, or " + _AGAIN
        )
    yield from _unreadable("users", user, "client-certificate")
    yield from _unreadable("users", user, "client-key")


def _in_impersonation(user: Mapping[str, Any]) -> Iterator[Fault]:
    also = [key for key in ("as-uid", "as-groups", "as-user-extra") if user.get(key)]
    if also and not _has(user, "as"):
        yield Fault(
            "users", also[0], "set without `as`, so there is no user to impersonate", "add `as: NAME`, or remove it"
        )
    texts: dict[str, list[str]] = {key: [user.get(key) or ""] for key in ("as", "as-uid")}
    texts["as-groups"] = user.get("as-groups") or []
    texts["as-user-extra"] = [value for values in (user.get("as-user-extra") or {}).values() for value in values]
    for key, values in texts.items():
        if not all(map(str.isprintable, values)):
            yield Fault("users", key, "contains a line break or another control character", "fix the kubeconfig")


def _in_program(program: Mapping[str, Any]) -> Iterator[Fault]:
    version, mode = program.get("apiVersion"), program.get("interactiveMode")
    if not program.get("command"):
        yield Fault("users", "exec.command", "the credential plugin has no command", _AGAIN)
    if version not in EXEC_VERSIONS:
        what = f"the credential plugin {program.get('command')} is set to version {version}"
        yield Fault("users", "exec.apiVersion", what, _AGAIN, f"supported: {' and '.join(EXEC_VERSIONS)}")
    elif mode not in _INTERACTIVE and (mode or version == EXEC_VERSIONS[0]):
        what = f"{mode!r} isn't one of {', '.join(_INTERACTIVE)}" if mode else f"missing, and {version} requires it"
        yield Fault("users", "exec.interactiveMode", what, f"add interactiveMode: IfAvailable, or {_AGAIN}")
    if any(not variable.get("name") for variable in program.get("env") or []):
        yield Fault("users", "exec.env", "an environment variable has no name", "fix the kubeconfig")


def _given_twice(section: str, content: Mapping[str, Any], key: str) -> Iterator[Fault]:
    if content.get(key) and content.get(f"{key}-data"):
        yield Fault(section, key, f"both {key} and {key}-data are set", "remove one of them: kubectl allows only one")


def _unreadable(section: str, content: Mapping[str, Any], key: str) -> Iterator[Fault]:
    if not content.get(key):
        return
    try:
        with Path(content[key]).open("rb") as file:
            is_empty = key == "tokenFile" and not file.read().strip()
    except OSError as error:
        what = f"{content[key]} can't be read: {error.strerror or error}"
        yield Fault(section, key, what, f"restore the file, or {_AGAIN}")
    else:
        if is_empty:
            yield Fault(section, key, f"{content[key]} is empty", f"write a token into it, or {_AGAIN}")


def _has_certificate(user: Mapping[str, Any]) -> bool:
    return _has(user, "client-certificate", "client-certificate-data") and _has(user, "client-key", "client-key-data")


def _has(content: Mapping[str, Any], *keys: str) -> bool:
    return any(content.get(key) for key in keys)


def is_sendable(token: str) -> bool:
    """Whether a token can stand in a request: visible ASCII. (A refusal further down would print it.)"""
    return re.fullmatch(r"[\x20-\x7e]*", token) is not None


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
