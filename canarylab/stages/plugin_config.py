"""The configuration that names the traffic-router plugins of Argo's controller. Pure.

It is a list in YAML under one key of a ConfigMap, read by the controller when it starts:
https://argo-rollouts.readthedocs.io/en/stable/features/traffic-management/plugins/
"""

from __future__ import annotations

from typing import Any

import yaml

from canarylab.errors import StageError
from canarylab.yamlfile.reader import load_yaml

CONFIG_MAP = "argo-rollouts-config"
KEY = "trafficRouterPlugins"

Entry = dict[str, Any]


def entries(config: dict[str, Any] | None) -> list[Entry]:
    """The plugins that it names. Raises StageError where it can't be read: the controller can't, either."""
    text = ((config or {}).get("data") or {}).get(KEY) or ""
    try:
        found = load_yaml(text) or []
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
    return _text([*_but(config, entry["name"]), entry])


def without(config: dict[str, Any] | None, name: str) -> str | None:
    """The text less the plugin of that name, None where nothing is left."""
    left = _but(config, name)
    return _text(left) if left else None


def written_at(config: dict[str, Any] | None) -> str:
    """When the plugins were last written, by whoever, as the API server noted it; "" where they never were."""
    managers = ((config or {}).get("metadata") or {}).get("managedFields") or []
    return max((one.get("time", "") for one in managers if _owns(one)), default="")


def _owns(manager: dict[str, Any]) -> bool:
    return f"f:{KEY}" in ((manager.get("fieldsV1") or {}).get("f:data") or {})


def _but(config: dict[str, Any] | None, name: str) -> list[Entry]:
    return [entry for entry in entries(config) if entry.get("name") != name]


def _text(found: list[Entry]) -> str:
    return yaml.safe_dump(found, sort_keys=False)
