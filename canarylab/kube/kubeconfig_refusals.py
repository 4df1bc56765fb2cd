"""What kubectl and Helm refuse of a context, refused before anything is asked.

Else the tool would work as somebody whom Helm can't be. Source: k8s.io/client-go v0.36.3,
tools/clientcmd/validation.go, tools/clientcmd/helpers.go and transport/transport.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from canarylab.kube.kubeconfig_entries import (
    has,
    has_certificate,
    is_secure,
    is_sendable,
    logs_in_otherwise,
    server_url,
)
from canarylab.kube.kubeconfig_fields import FIELDS, REFUSED, has_form

EXEC_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
"""The versions of the interface to credential programs that client-go speaks."""
_INTERACTIVE = ("Never", "IfAvailable", "Always")
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
        yield Fault(section, above.rstrip("."), "must be a mapping", _AGAIN)
        return
    for key, field in FIELDS[kind].items():
        value = content.get(key)
        if value is not None and field.handling != REFUSED and not has_form(field, value):
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
        return
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
    if has(user, "token") and has(user, "username", "password"):
        yield Fault(
            "users",
            "token",
            "both a token and a username or password are set",
            "remove one of them: kubectl allows only one",
        )
    if has(user, "token") and not is_sendable(user["token"]):
        yield Fault("users", "token", "the token contains a line break or a non-ASCII character", _AGAIN)
    if not has(user, "token"):  # with one, the file may come later
        yield from _unreadable("users", user, "tokenFile")


def _in_certificates(user: Mapping[str, Any]) -> Iterator[Fault]:
    if not (has(user, "client-certificate") or has(user, "client-certificate-data")):
        return
    yield from _given_twice("users", user, "client-certificate")
    yield from _given_twice("users", user, "client-key")
    if not has_certificate(user):
        yield Fault(
            "users", "client-certificate", "a client certificate without its key", "add client-key, or " + _AGAIN
        )
    yield from _unreadable("users", user, "client-certificate")
    yield from _unreadable("users", user, "client-key")


def _in_impersonation(user: Mapping[str, Any]) -> Iterator[Fault]:
    also = [key for key in ("as-uid", "as-groups", "as-user-extra") if user.get(key)]
    if also and not has(user, "as"):
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
