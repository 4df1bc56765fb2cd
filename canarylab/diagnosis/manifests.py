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
    spec = virtual_service.get("spec") or {}
    hosts = [str(host) for host in spec.get("hosts") or []]
    for route in spec.get("tls") or []:
        for match in route.get("match") or []:
            for sni in match.get("sniHosts") or []:
                if not any(covers(host, str(sni)) for host in hosts):
                    yield str(sni)


def covers(host: str, sni: str) -> bool:
    """Whether the names that `sni` stands for are all among those of `host`; both may begin with `*`. Pure."""
    if host in ("*", sni):
        return True
    return host.startswith("*.") and sni.endswith(host[1:]) and len(sni) > len(host[1:])


def _sni_error(file: Path, obj: dict[str, Any], sni: str) -> StageError:
    hosts = obj["spec"].get("hosts")
    return StageError(
        f"VirtualService {obj['metadata']['name']}: SNI host {sni!r} is not covered by its hosts {hosts}",
        where=f"{file}:{_line_of(file, sni)}",
        why="Istio's webhook refuses it: every entry of tls[].match[].sniHosts has to be a subset of spec.hosts "
        "(argoproj/argo-rollouts#2033)",
        remedy=f'use hosts such as "*.{obj["metadata"]["name"]}.bookinfo.com" (quoted) and an SNI host below them',
    )


def _line_of(file: Path, text: str) -> int:
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if text in line.split("#", 1)[0]:
            return number
    return 1
