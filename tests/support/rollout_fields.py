"""The fields of a Rollout that say how it is rolled out: as Argo's CRD has them, and as the repository lists them.

After another version of Argo, `python -m support.rollout_fields CRD.yaml` in tests/ writes the list anew; then
docs/rollout-fields.md needs a row for whatever is new in it, as a test says.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from support.field_tables import leaves

LISTED = Path(__file__).with_name("rollout_fields.txt")
_KUBERNETES = ("selector", "template")
"""What is Kubernetes' own, and the same in every workload."""


def fields_of(crd: Mapping[str, Any]) -> list[str]:
    """Each field that has none below it, sorted; a list's are behind `[]`, those of the strategy come without it."""
    version = next(one for one in crd["spec"]["versions"] if one["name"] == "v1alpha1")
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    below = {key: value for key, value in spec.items() if key not in ("strategy", *_KUBERNETES)}
    return sorted([*leaves(spec["strategy"], ""), *leaves({"properties": below}, "spec")])


def listed() -> list[str]:
    """As the repository lists them."""
    return LISTED.read_text().split()


if __name__ == "__main__":
    LISTED.write_text("".join(f"{field}\n" for field in fields_of(yaml.safe_load(Path(sys.argv[1]).read_text()))))
