"""The fields of Istio's objects that route: as Istio's CRDs have them, and as the repository lists them.

After another version of Istio, `python -m support.route_fields CRDS.yaml` in tests/ writes the list anew; then
docs/route-fields.md needs a row for whatever is new in it, as a test says.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from support.field_tables import leaves

LISTED = Path(__file__).with_name("route_fields.txt")
KINDS = ("VirtualService", "DestinationRule", "Gateway")
_GROUP = "networking.istio.io"


def fields_of(crds: Iterable[Mapping[str, Any]]) -> list[str]:
    """Each field below the spec of these kinds that has none below it, behind its kind, sorted."""
    found = list[str]()
    for crd in (one["spec"] for one in crds if one):
        kind = crd["names"]["kind"]
        if crd["group"] == _GROUP and kind in KINDS:
            version = next(one for one in crd["versions"] if one["name"] == "v1")
            found += leaves(version["schema"]["openAPIV3Schema"]["properties"]["spec"], kind)
    return sorted(found)


def listed() -> list[str]:
    """As the repository lists them."""
    return LISTED.read_text().split()


if __name__ == "__main__":
    LISTED.write_text("".join(f"{field}\n" for field in fields_of(yaml.safe_load_all(Path(sys.argv[1]).read_text()))))
