"""The list of routes' fields, by which docs/route-fields.md is held, is that of the Istio that is installed."""

from __future__ import annotations

import tarfile
from pathlib import Path

import yaml
from support.route_fields import fields_of, listed

_DEFINITIONS = "base/files/crd-all.gen.yaml"
"""In the chart `base`, which installs them as they stand there."""


def test_the_list_has_the_fields_of_the_definitions(programs: Path) -> None:
    [chart] = (programs / "charts").glob("base-*.tgz")
    with tarfile.open(chart) as archive:
        file = archive.extractfile(_DEFINITIONS)
        assert file
        assert fields_of(yaml.safe_load_all(file.read())) == listed()
