"""Mistakes in manifests that the cluster would refuse with words that don't help, found before anything is applied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from canarylab.errors import StageError


def refuse_known_bad(documents: Iterable[tuple[Path, dict[str, Any]]]) -> None:
    """Raise on the first VirtualService whose TLS match Istio's webhook would refuse."""
    for file, obj in documents:
        if obj["kind"] == "VirtualService" and str(obj["apiVersion"]).startswith("networking.istio.io/"):
            for host in _outside_hosts(obj):
                raise _sni_error(file, obj, host)


def _outside_hosts(virtual_service: dict[str, Any]) -> Iterator[str]:
    """The SNI hosts that none of the VirtualService's own hosts covers."""
    spec = virtual_service.get("spec")
    hosts = [str(host) for host in _listed(spec, "hosts")]
    for route in _listed(spec, "tls"):
        for match in _listed(route, "match"):
            for sni in _listed(match, "sniHosts"):
                if not any(covers(host, str(sni)) for host in hosts):
                    yield str(sni)


def _listed(obj: Any, key: str) -> list[Any]:
    """The list under a key, [] where there is none: what is formed wrongly is for the API server to refuse."""
    value = obj.get(key) if isinstance(obj, dict) else None
    return value if isinstance(value, list) else []


def covers(host: str, sni: str) -> bool:
    """Whether the names that `sni` stands for are all among those of `host`; both may begin with `*`. Pure.

    As Istio's own `host.Name.SubsetOf` decides it.
    """
    return sni.endswith(host[1:]) if host.startswith("*") else host == sni


def _sni_error(file: Path, obj: dict[str, Any], sni: str) -> StageError:
    hosts, name = obj["spec"].get("hosts"), obj["metadata"]["name"]
    return StageError(
        f"VirtualService {name}: SNI host {sni!r} is not covered by its hosts {hosts}",
        where=f"{file}:{_line_of(file, sni)}",
        why="Istio's webhook refuses it: every entry of tls[].match[].sniHosts has to be a subset of spec.hosts "
        "(argoproj/argo-rollouts#2033)",
        remedy=f'use hosts such as "*.{name}.bookinfo.com" (quoted) and an SNI host below them',
    )


def _line_of(file: Path, text: str) -> int:
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if text in line.split("#", 1)[0]:
            return number
    return 1
