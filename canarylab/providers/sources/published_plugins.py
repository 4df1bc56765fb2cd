"""Argo's traffic-router plugins, which the controller downloads by itself when it starts: pinned by their SHA-256."""

from __future__ import annotations

from typing import TYPE_CHECKING

from canarylab.contract.provider import RouterPlugin
from canarylab.download import shown
from canarylab.errors import StageError, UsageError
from canarylab.yamlfile.problems import choose

if TYPE_CHECKING:
    from canarylab.contract.context import Context

_URL = (
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


def router_plugin(ctx: Context, name: str, version: str) -> RouterPlugin:
    """The plugin for the architecture of the cluster's nodes, from the mirror where there is one.

    A name and password of the mirror's are left out: what the controller is told can be read in the cluster.
    Raises UsageError for one whose checksum isn't known here, StageError where one file can't do for all nodes.
    """
    if name not in CHECKSUMS:
        raise UsageError(f"there is no traffic-router plugin {name!r}", remedy=choose(name, CHECKSUMS))
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
    url = _URL.format(version=version, architecture=architectures[0])
    return RouterPlugin(shown(url), versions[version][architectures[0]])
