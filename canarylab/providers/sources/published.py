"""Charts from their public repository; install manifests and plugins of Argo and the Gateway API from their releases.

What came is checked and kept, and never asked for again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import yaml

from canarylab.contract.provider import RouterPlugin, Sources
from canarylab.download import NotPublishedError, fetch, fetched_from, keep
from canarylab.errors import StageError, UsageError
from canarylab.kube.objects import dig
from canarylab.paths import cache_home
from canarylab.pins import pins
from canarylab.yamlfile.kubernetes_yaml import LOADER
from canarylab.yamlfile.problems import did_you_mean

if TYPE_CHECKING:
    from canarylab.contract.context import Context

REPOSITORIES = {"istio": "https://istio-release.storage.googleapis.com/charts"}
"""Chart repositories by the word before the slash in a playbook's `chart`, as `helm repo add` would call them."""

_PLUGIN_URL = (
    "https://github.com/argoproj-labs/rollouts-plugin-trafficrouter-gatewayapi/releases/download"
    "/v{version}/gatewayapi-plugin-linux-{architecture}"
)

CHECKSUMS = {
    "argoproj-labs/gatewayAPI": {
        "0.17.0": {
            "amd64": "1904ca787d33107c140521899d61fff030ee75d99908bd175fca5a4647759061",
            "arm64": "5221279f7bf2c9b2c0ff6ed7ff12718ecce1d4892f1ff5e5224bb723cfd0fd92",
        },
    },
}
"""SHA-256 by name, version and architecture. The release has no file of checksums; docs/adr/0016 says how these were
found, and how others are."""

_ROLLOUTS_IMAGE = "quay.io/argoproj/argo-rollouts"

_VERSION = re.compile(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?")
_SHOWN = 5
"""How many versions an error names."""


class PublishedSources(Sources):
    """For clusters that pull their images from the internet."""

    def chart(self, ctx: Context, reference: str, version: str) -> Path:
        """The packaged chart, its digest held against the repository's index.

        Raises UsageError for a chart or version that isn't published, StageError where it can't be fetched.
        """
        alias, _, name = reference.partition("/")
        if alias not in REPOSITORIES:
            said = f"there is no chart repository {alias!r}"
            raise UsageError(said, where=reference, remedy=did_you_mean(alias, REPOSITORIES))
        _require_version(version)
        kept = _folder() / f"{name}-{version}.tgz"
        if not kept.exists():
            ctx.progress(f"fetching chart {reference} {version}")
            keep(kept, _fetched(ctx, alias, name, version))
        return kept

    def rollouts_manifest(self, ctx: Context, version: str) -> tuple[Path, str]:
        """Raises UsageError for a version that isn't released, StageError where it can't be fetched."""
        tested = pins().rollouts.removeprefix("v")
        return _install_manifest(ctx, _ROLLOUTS, version, tested), f"{_ROLLOUTS_IMAGE}:v{version}"

    def gateway_api_manifest(self, ctx: Context, version: str) -> Path:
        """Raises as `rollouts_manifest` does."""
        return _install_manifest(ctx, _GATEWAY_API, version, pins().gateway_api)

    def router_plugin(self, ctx: Context, name: str, version: str) -> RouterPlugin:
        """Argo's, which the controller downloads by itself when it starts: for the architecture of the cluster's nodes.

        From the mirror where there is one; a name and password of the mirror's are left out, as the controller's
        configuration can be read in the cluster. Raises UsageError for one whose checksum isn't known here, StageError
        where one file can't do for all nodes.
        """
        if name not in CHECKSUMS:
            raise UsageError(f"there is no traffic-router plugin {name!r}", remedy=did_you_mean(name, CHECKSUMS))
        versions = CHECKSUMS[name]
        if version not in versions:
            raise UsageError(
                f"the checksums of version {version} of the plugin {name} aren't known",
                remedy=f"use {', '.join(versions)}; docs/adr/0016 says how to add another",
            )
        architectures = ctx.provider.images.architectures(ctx)
        if len(architectures) != 1 or architectures[0] not in versions[version]:
            raise StageError(
                f"the plugin {name} can't be for nodes of {' and '.join(architectures) or 'no known architecture'}",
                why="Argo's controller downloads one file for one architecture, wherever its pod lands",
                remedy=f"use a cluster whose nodes are all {' or all '.join(versions[version])}",
            )
        url = _PLUGIN_URL.format(version=version, architecture=architectures[0])
        return RouterPlugin(fetched_from(url), versions[version][architectures[0]])


def _folder() -> Path:
    return cache_home() / "charts"


def _require_version(version: str) -> None:
    if not _VERSION.fullmatch(version):
        raise UsageError(f"{version!r} isn't a version", remedy="write it as 1.31.0, without a leading v")


# -- charts -----------------------------------------------------------------------------------------------------------


def _entry(ctx: Context, alias: str, name: str, version: str) -> tuple[str, str]:
    """Where the repository's index says that a chart is, and its SHA-256, "" where it doesn't say.

    The index is read as in https://helm.sh/docs/topics/chart_repository/. Raises UsageError with those that come near
    for a chart or version that it doesn't have.
    """
    url = f"{REPOSITORIES[alias]}/index.yaml"
    index = _yaml(fetch(ctx, url, cache=_folder()), url)
    entries = dig(next(iter(index), None), "entries")
    if not isinstance(entries, dict):
        raise _unexpected(url, "an index of charts", index)
    if name not in entries:
        raise UsageError(f"there is no chart {name!r}", where=fetched_from(url), remedy=did_you_mean(name, entries))
    by_version = {str(entry.get("version")): entry for entry in entries[name] or () if isinstance(entry, dict)}
    if version not in by_version:
        raise UsageError(
            f"there is no chart {name} of version {version}",
            where=fetched_from(url),
            remedy=f"use one of {', '.join(near(version, by_version))}",
        )
    entry = by_version[version]
    if not entry.get("urls"):
        raise _unexpected(url, "an index of charts", entry)
    return urljoin(url, entry["urls"][0]), str(entry.get("digest", "")).removeprefix("sha256:")


def near(version: str, known: Iterable[str]) -> list[str]:
    """The newest few of the same minor version, of all where that has none; pre-releases only to one. Pure."""
    every = sorted(known, key=lambda other: [int(number) for number in re.findall(r"\d+", other)], reverse=True)
    newest = [other for other in every if "-" in version or "-" not in other] or every
    line = version.partition("-")[0].rpartition(".")[0]
    return ([other for other in newest if other.startswith(f"{line}.")] or newest)[:_SHOWN]


def _fetched(ctx: Context, alias: str, name: str, version: str) -> bytes:
    url, wanted = _entry(ctx, alias, name, version)
    content = fetch(ctx, url, cache=_folder())
    found = hashlib.sha256(content).hexdigest()
    if found != wanted:
        raise StageError(
            f"the download isn't chart {name} {version}",
            where=fetched_from(url),
            why=f"its SHA-256 is {found}, the index says {wanted or 'none'}",
            remedy="try again; if it happens again, a proxy or the mirror is serving something else",
        )
    return content


# -- install manifests ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Released:
    """A manifest that is published with each release: what it is of, GitHub's name of its repository,
    and an object that must be in it.
    """

    name: str
    repository: str
    file: str
    holds: tuple[str, str]


_ROLLOUTS = _Released("Argo Rollouts", "argoproj/argo-rollouts", "install.yaml", ("Deployment", "argo-rollouts"))
_HTTP_ROUTES = ("CustomResourceDefinition", "httproutes.gateway.networking.k8s.io")
_GATEWAY_API = _Released("the Gateway API", "kubernetes-sigs/gateway-api", "standard-install.yaml", _HTTP_ROUTES)


def _install_manifest(ctx: Context, released: _Released, version: str, tested: str) -> Path:
    """The manifest as a JSON list, fetched where it isn't kept yet."""
    _require_version(version)
    kept = _folder() / f"{released.repository.partition('/')[2]}-{version}.json"
    if not kept.exists():
        ctx.progress(f"fetching the install manifest of {released.name} {version}")
        releases = f"https://github.com/{released.repository}/releases"
        url = f"{releases}/download/v{version}/{released.file}"
        try:
            content = fetch(ctx, url, cache=_folder())
        except NotPublishedError as error:
            raise UsageError(
                f"there is no release {version} of {released.name}",
                where=error.where,
                why=error.why,
                remedy=f"use {tested}, with which this is tested, or another of {releases}",
            ) from error
        keep(kept, json.dumps(_objects(content, url, released)).encode())
    return kept


def _objects(content: bytes, url: str, released: _Released) -> list[dict[str, Any]]:
    """The manifest's objects, if it is the one that it should be."""
    found = [obj for obj in _yaml(content, url) if obj]
    named = [(dig(obj, "kind"), dig(obj, "metadata", "name")) for obj in found]
    if released.holds not in named or not all(kind and name for kind, name in named):
        raise _unexpected(url, f"the install manifest of {released.name}", found)
    return found


# -- what came --------------------------------------------------------------------------------------------------------


def _yaml(content: bytes, url: str) -> list[Any]:
    """All documents. By the parser in C where there is one: these files have tens of thousands of lines."""
    try:
        return list(yaml.load_all(content, Loader=LOADER))
    except yaml.YAMLError as error:
        raise _unexpected(url, "YAML", content[:60].decode(errors="replace")) from error


def _unexpected(url: str, wanted: str, found: object) -> StageError:
    """Something else was served, such as the sign-in page of a wireless network."""
    return StageError(
        f"the download isn't {wanted}",
        where=fetched_from(url),
        why=f"it begins with {str(found)[:60]!r}",
        remedy="open that address in a browser: a proxy, a sign-in page or the mirror may answer in its place",
    )
