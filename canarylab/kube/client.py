"""The one client of the cluster's API. Objects go in and out as the plain dicts that the API speaks.

lightkube's typed models are left out, since the kinds that matter here are Istio's and Argo's, and what isn't in a
model would be lost on the way (ADR 0003).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canarylab.kube.connection import ApiError
from canarylab.kube.discovery import Resource, UnknownKindError
from canarylab.kube.objects import OWNER_LABEL
from canarylab.kube.watching import Snapshot, Watching, with_kind

__all__ = ["FIELD_MANAGER", "OWNER_LABEL", "ApiError", "Cluster", "Resource", "Snapshot", "UnknownKindError"]

FIELD_MANAGER = "canarylab"
"""Who owns the fields that this tool applies (server-side apply)."""


class Cluster(Watching):
    """One cluster, named by kubeconfig and context: its objects can be read, written and watched."""

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        """One object, or None where there is none."""
        return self._request("GET", self.resource(api_version, kind).path(namespace, name), missing=True)

    def list(
        self,
        api_version: str,
        kind: str,
        namespace: str | None = None,
        labels: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> list[dict[str, Any]]:
        """All objects of a kind, of one namespace or of all, with the labels and fields given.

        `fields` are those that the server selects by, such as `involvedObject.name` of events.
        """
        params = {**_selector("labelSelector", labels), **_selector("fieldSelector", fields)}
        found = self._request("GET", self.resource(api_version, kind).path(namespace), params=params) or {}
        return with_kind(found, api_version, kind)

    def may(self, verb: str, group: str, plural: str, namespace: str | None = None) -> bool:
        """Whether this user has the right; nothing is done."""
        wanted = {"verb": verb, "group": group, "resource": plural, **({"namespace": namespace} if namespace else {})}
        api_version = "authorization.k8s.io/v1"
        body = {"apiVersion": api_version, "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": wanted}}
        answer = self._request("POST", f"/apis/{api_version}/selfsubjectaccessreviews", body=body) or {}
        return bool(answer.get("status", {}).get("allowed"))

    def apply(self, body: Mapping[str, Any], *, dry_run: bool = False, manager: str = FIELD_MANAGER) -> dict[str, Any]:
        """Server-side apply: what `body` names becomes so and is owned by `manager`; what others own stays.

        With `dry_run` the server runs it all, admission webhooks too, and keeps nothing. Returns the object as it is
        or would be.
        """
        resource = self.resource(body["apiVersion"], body["kind"])
        meta = body["metadata"]
        params = {"fieldManager": manager, "force": "true", **({"dryRun": "All"} if dry_run else {})}
        applied = self._request(
            "PATCH",
            resource.path(meta.get("namespace"), meta["name"]),
            params=params,
            body=body,
            content_type="application/apply-patch+yaml",
        )
        return applied or {}

    def patch(
        self,
        api_version: str,
        kind: str,
        name: str,
        body: Mapping[str, Any],
        namespace: str | None = None,
        *,
        subresource: str | None = None,
    ) -> dict[str, Any]:
        """Merge patch: the fields of `body` replace those of the object, null removes one."""
        path = self.resource(api_version, kind).path(namespace, name, subresource)
        params = {"fieldManager": FIELD_MANAGER}
        return self._request("PATCH", path, params=params, body=body, content_type="application/merge-patch+json") or {}

    def delete(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> bool:
        """Delete it; what it owns follows in the background. False where it wasn't there."""
        path = self.resource(api_version, kind).path(namespace, name)
        return self._request("DELETE", path, params={"propagationPolicy": "Background"}, missing=True) is not None


def _selector(name: str, wanted: Mapping[str, str] | None) -> dict[str, str]:
    return {name: ",".join(f"{key}={value}" for key, value in wanted.items())} if wanted else {}
