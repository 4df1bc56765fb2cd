"""By which proxy the API server is asked: the same as kubectl and Helm take, or none of us reaches what another does.

Source: client-go v0.36.3, tools/clientcmd/client_config.go (`proxy-url` goes before the environment), and Go's
net/http, ProxyFromEnvironment (golang.org/x/net/http/httpproxy): HTTP_PROXY, HTTPS_PROXY and NO_PROXY, in capitals
first, and never a proxy for this machine itself. ALL_PROXY is none of them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from canarylab.errors import MachineError

_SCHEMES = ("http", "https", "socks5", "socks5h")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Route:
    """The proxy's URL, None where there is none, and what an error says of the way that was taken."""

    proxy: str | None = None
    note: str = ""


def route(server: str, proxy_url: str | None, environment: Mapping[str, str]) -> Route:
    """The way to an API server. Raises MachineError for a proxy that kubectl and Helm couldn't use either.

    `environment` is empty where none of its proxies is to be asked.
    """
    if proxy_url:
        return Route(proxy_url, f" (through the proxy {_shown(proxy_url)}, from proxy-url in the kubeconfig)")
    target = urlsplit(server)
    if _is_this_machine(target) or _is_exempt(target, _first(environment, "NO_PROXY")[1]):
        return Route()
    variable, proxy = _first(environment, f"{target.scheme.upper()}_PROXY")
    if proxy:
        url = proxy if "://" in proxy else f"http://{proxy}"
        _require_known(variable, url)
        return Route(url, f" (through the proxy {_shown(url)}, from {variable})")
    variable, proxy = _first(environment, "ALL_PROXY")
    wanted = f"{target.scheme.upper()}_PROXY"
    return Route(None, f" ({variable} isn't used: kubectl and Helm only read {wanted})" if proxy else "")


def _first(environment: Mapping[str, str], name: str) -> tuple[str, str]:
    """The variable that is set, in capitals or not, and its value."""
    return next(((each, environment[each]) for each in (name, name.lower()) if environment.get(each)), (name, ""))


def _require_known(variable: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        scheme, host, _ = parts.scheme, parts.hostname, parts.port
    except ValueError as error:
        raise MachineError(f"{variable} isn't a valid proxy URL: {error}", remedy=_remedy(variable, "http")) from error
    if scheme not in _SCHEMES or not host:
        raise MachineError(
            f"{variable} is {_shown(url)}, a kind of proxy that kubectl, Helm and this tool can't use",
            why=f"supported: {', '.join(_SCHEMES)}",
            remedy=_remedy(variable, "socks5" if scheme.startswith("socks") else "http"),
        )


def _remedy(variable: str, scheme: str) -> str:
    return f"export {variable}={scheme}://HOST:PORT, or add the API server's host to NO_PROXY"


def _shown(url: str) -> str:
    """Without the password."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _is_this_machine(target: SplitResult) -> bool:
    host = target.hostname or ""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _is_exempt(target: SplitResult, no_proxy: str) -> bool:
    host, port = target.hostname or "", str(target.port or _PORTS.get(target.scheme, 0))
    rules = (rule.strip().lower() for rule in no_proxy.split(","))
    return any(rule == "*" or _matches(rule, host, port) for rule in rules if rule)


def _matches(rule: str, host: str, port: str) -> bool:
    """Whether one entry of NO_PROXY means this host: a network, an address or a domain, with a port or without."""
    address = _address(host)
    with suppress(ValueError):
        if "/" in rule:
            return address is not None and address in ipaddress.ip_network(rule, strict=False)
    name, wanted = _split_port(rule)
    if wanted not in ("", port):
        return False
    if (named := _address(name)) or address:
        return named == address
    name = name.removeprefix("*") if name.startswith("*.") else name
    return bool(name) and (host.endswith(name) if name.startswith(".") else host == name or host.endswith(f".{name}"))


def _split_port(rule: str) -> tuple[str, str]:
    name, colon, port = rule.rpartition(":")
    if not colon or _address(rule) or not (port.isdigit() and (":" not in name or name.startswith("["))):
        return rule.strip("[]"), ""
    return name.strip("[]"), port


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    with suppress(ValueError):
        return ipaddress.ip_address(host)
    return None
