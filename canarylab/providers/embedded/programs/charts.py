"""Istio's charts, Argo's manifest and the Gateway API's definitions, out of the pinned modules."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import yaml

from canarylab.pins import NODE, Pins
from canarylab.tools.go import Go
from canarylab.tools.runner import Runner

CHARTS = {"istio/base": "base", "istio/istiod": "istio-control/istio-discovery", "istio/gateway": "gateway"}
"""Chart to its folder below `manifests/charts` of Istio's module."""

DEFINITIONS = "config/crd/standard"
"""The Gateway API's standard channel, in its module: the files that its release's standard-install.yaml is made of."""

BOOTSTRAP = "tools/packaging/common/envoy_bootstrap.json"


def package_charts(runner: Runner, go: Go, helm: Path, pins: Pins, output: Path) -> None:
    """Package each chart under the version of the module: in the module itself they all say 1.0.0."""
    output.mkdir(exist_ok=True)
    source = go.module_folder(NODE, "istio.io/istio") / "manifests" / "charts"
    for folder in CHARTS.values():
        versions = ["--version", pins.istio, "--app-version", pins.istio]
        runner.run([helm, "package", source / folder, *versions, "--destination", output], timeout=120)


def copy_rollouts_manifest(go: Go, output: Path) -> None:
    """As a JSON list: 40,000 lines of YAML take Python two seconds to read, every time."""
    module = go.module_folder(NODE, "github.com/argoproj/argo-rollouts")
    output.write_text(json.dumps(_objects(module / "manifests" / "install.yaml")))


def copy_gateway_api(go: Go, output: Path) -> None:
    """As a JSON list, too."""
    folder = go.module_folder(NODE, "sigs.k8s.io/gateway-api") / DEFINITIONS
    output.write_text(json.dumps([obj for file in sorted(folder.glob("*.yaml")) for obj in _objects(file)]))


def _objects(file: Path) -> list[Any]:
    return [obj for obj in yaml.safe_load_all(file.read_text()) if obj]


def copy_bootstrap(go: Go, output: Path) -> None:
    """The template from which the agent writes Envoy's configuration."""
    # Without its mode: the module cache is read-only.
    shutil.copyfile(go.module_folder(NODE, "istio.io/istio") / BOOTSTRAP, output)
