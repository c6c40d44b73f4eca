"""What every call needs: the parts of the running service, and who calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends, Header, Query, Request

from vda_assets.embedded.service.credentials import Credentials
from vda_assets.embedded.service.engine import Engine
from vda_assets.embedded.service.errors import ApiError
from vda_assets.embedded.service.settings import EmbeddedSettings
from vda_assets.embedded.service.store import Row, Store, utc_time
from vda_assets.embedded.service.submission import Submitter

DEFAULT_USER = "testuser"
Priority = Literal["HIGH", "NORMAL", "LOW"]
Order = Literal["ASC", "DESC"]
Texts = Annotated[list[str] | None, Query()]


@dataclass
class Service:
    """`url` is what the service calls itself in its answers."""

    settings: EmbeddedSettings
    url: str
    store: Store
    engine: Engine
    submitter: Submitter
    credentials: Credentials
    is_closing: bool = False

    def workflow(self, id_or_uuid: str) -> Row:
        """The workflow's row. Raises ApiError when there is none, or none yet."""
        row = self.store.workflow(id_or_uuid)
        is_refused = row is not None and row["status"] == "FAILED_SUBMISSION"
        if row is None or (not is_refused and row["submit_time"] > utc_time(-self.settings.row_seconds)):
            raise ApiError(f"Workflow {id_or_uuid} is not found.", error_code="DATABASE")
        return row


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _user(x_osmo_user: Annotated[str | None, Header()] = None) -> str:
    return x_osmo_user or DEFAULT_USER


TheService = Annotated[Service, Depends(_service)]
CallUser = Annotated[str, Depends(_user)]
