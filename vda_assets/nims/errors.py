"""Why a NIM cannot be looked at, deployed or repaired. No text holds a secret.

NimError
├── NoCluster             nothing here leads into a cluster: no pod around it, no kubeconfig
├── NimStop               a person must act; the text names the one thing to provide
└── ClusterError
    ├── ClusterUnavailable    no whole answer, or "not now": worth asking again
    ├── ClusterConflict       somebody else was faster, or owns the field
    └── ClusterRefused        for good; who may not is told verb and resource
"""

from __future__ import annotations


class NimError(Exception):
    """Every error of this room."""


class NoCluster(NimError):
    pass


class NimStop(NimError):
    pass


class ClusterError(NimError):
    pass


class ClusterUnavailable(ClusterError):
    pass


class ClusterConflict(ClusterError):
    pass


class ClusterRefused(ClusterError):
    pass
