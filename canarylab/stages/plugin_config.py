"""The configuration that names the traffic-router plugins of Argo's controller. Pure.

It is a list in YAML under one key of a ConfigMap, read by the controller when it starts:
https://argo-rollouts.readthedocs.io/en/stable/features/traffic-management/plugins/
"""

from __future__ import annotations

from typing import Any

import yaml

from canarylab.errors import StageError
from canarylab.kube.objects import dig, listed
from canarylab.yamlfile.kubernetes_yaml import load_yaml

CONFIG_MAP = "argo-rollouts-config"
KEY = "trafficRouterPlugins"

Entry = dict[str, Any]


def entries(config: dict[str, Any] | None) -> list[Entry]:
    """The plugins that it names. Raises StageError where it can't be read: the controller can't, either."""
    try:
        found = load_yaml(dig(config, "data", KEY) or "") or []
    except yaml.YAMLError:
        found = None
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise StageError(
            "the configuration of Argo's plugins can't be read",
            where=f"ConfigMap {CONFIG_MAP}, key {KEY}",
            why="it isn't a list of plugins in YAML",
            remedy=f"fix it: kubectl edit configmap {CONFIG_MAP}, in the controller's namespace",
        )
    return found


def has_plugin(config: dict[str, Any] | None, plugin: str) -> bool:
    """Whether it names the plugin. Raises StageError where it can't be read."""
    return any(entry.get("name") == plugin for entry in entries(config))


def with_entry(config: dict[str, Any] | None, entry: Entry) -> str:
    """The text that has the entry, in place of one of its name where there is one."""
    return yaml.safe_dump([*_but(config, entry["name"]), entry], sort_keys=False)


def without(config: dict[str, Any] | None, name: str) -> str | None:
    """The text less the plugin of that name, None where nothing is left."""
    left = _but(config, name)
    return yaml.safe_dump(left, sort_keys=False) if left else None


def written_at(config: dict[str, Any] | None) -> str:
    """When the plugins were last written, by whoever, as the API server noted it; "" where they never were."""
    managers = listed(config, "metadata", "managedFields")
    writers = (one for one in managers if dig(one, "fieldsV1", "f:data", f"f:{KEY}") is not None)
    return max((one.get("time", "") for one in writers), default="")


def _but(config: dict[str, Any] | None, name: str) -> list[Entry]:
    return [entry for entry in entries(config) if entry.get("name") != name]
