"""What the Roles of manifests let service accounts do, as the API server reckons it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

_CLUSTER_KINDS = {"ClusterRole", "ClusterRoleBinding"}


class Right(NamedTuple):
    """Without a `namespace` it holds for all of them, without a `name` for every object."""

    namespace: str
    group: str
    resource: str
    verb: str
    name: str = ""


class Rbac:
    """`namespace` is that of manifests which name none. Accounts are written `namespace:name`."""

    def __init__(self, manifests: Iterable[dict[str, Any]], *, namespace: str) -> None:
        self._default = namespace
        manifests = list(manifests)
        roles = {self._key(one): one for one in manifests if one["kind"] in ("Role", "ClusterRole")}
        self._rights: dict[str, set[Right]] = {
            f"{self._namespace(one)}:{one['metadata']['name']}": set()
            for one in manifests
            if one["kind"] == "ServiceAccount"
        }
        for binding in (one for one in manifests if one["kind"] in ("RoleBinding", "ClusterRoleBinding")):
            where, role = self._namespace(binding), binding["roleRef"]
            rules = roles[role["kind"], "" if role["kind"] == "ClusterRole" else where, role["name"]]["rules"]
            for subject in binding["subjects"]:
                account = f"{subject.get('namespace', namespace)}:{subject['name']}"
                self._rights[account] |= {right for rule in rules for right in _rights(rule, where)}

    @property
    def accounts(self) -> set[str]:
        return set(self._rights)

    def rights(self, account: str) -> set[Right]:
        return self._rights[account]

    def allows(self, account: str, right: Right) -> bool:
        return any(
            right._replace(namespace=where, name=name) in self._rights[account]
            for where in (right.namespace, "")
            for name in (right.name, "")
        )

    def _key(self, one: dict[str, Any]) -> tuple[str, str, str]:
        return one["kind"], self._namespace(one), one["metadata"]["name"]

    def _namespace(self, one: dict[str, Any]) -> str:
        return "" if one["kind"] in _CLUSTER_KINDS else one["metadata"].get("namespace", self._default)


def _rights(rule: dict[str, Any], namespace: str) -> Iterable[Right]:
    for group in rule["apiGroups"]:
        for resource in rule["resources"]:
            for verb in rule["verbs"]:
                for name in rule.get("resourceNames", [""]):
                    yield Right(namespace, group, resource, verb, name)
