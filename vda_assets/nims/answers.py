"""The shape of what a Kubernetes API answers, as far as it is read here: anything else is refused before it is used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

Text = str | None


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class _Condition(_Part):
    type: Text = None
    status: Text = None
    reason: Text = None
    message: Text = None


class _Waiting(_Part):
    reason: Text = None
    message: Text = None


class _State(_Part):
    waiting: _Waiting | None = None


class _Container(_Part):
    state: _State | None = None


class _Status(_Part):
    state: Text = None
    conditions: list[_Condition] | None = None
    containers: list[_Container] | None = Field(None, alias="containerStatuses")
    init_containers: list[_Container] | None = Field(None, alias="initContainerStatuses")
    allocatable: Mapping[str, str | int] = {}


class _Metadata(_Part):
    name: Text = None
    uid: Text = None
    more: Text = Field(None, alias="continue")
    annotations: Mapping[str, str] | None = None


class _Resource(_Part):
    kind: Text = None


class _Item(_Part):
    metadata: _Metadata | None = None
    spec: Mapping[str, Any] = {}
    status: _Status | None = None


class Answer(_Item):
    """An object, a list of objects, or the kinds of an API group."""

    items: list[_Item] | None = None
    resources: list[_Resource] = []
