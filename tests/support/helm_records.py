"""Helm's release records as they lie in a cluster."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

MANIFEST = """\
---
# Source: gateway/templates/deployment.yaml
apiVersion: apps/v1
kind: Deployment
metadata:
  name: gateway
  labels: {app: gateway}
spec:
  selector: {matchLabels: {app: gateway}}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: gateway
  namespace: elsewhere
---
"""


def record(name: str = "gateway", revision: int = 1, status: str = "deployed", **content: Any) -> dict[str, Any]:
    """The Secret of one revision. `content` replaces keys of the record, such as config, manifest or version."""
    version = content.pop("version", "1.31.0")
    inner = {
        "name": name,
        "namespace": "ns",
        "version": revision,
        "info": {"status": status},
        "chart": {"metadata": {"name": "gateway", "version": version}},
        "config": {},
        "manifest": MANIFEST,
        **content,
    }
    packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(inner).encode()))).decode()
    labels = {"owner": "helm", "name": name, "status": status, "version": str(revision)}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"sh.helm.release.v1.{name}.v{revision}", "namespace": "ns", "labels": labels},
        "type": "helm.sh/release.v1",
        "data": {"release": packed},
    }
