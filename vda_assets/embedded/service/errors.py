"""What can go wrong in the embedded OSMO.

EmbeddedOsmoError
├── PortTaken          somebody else listens there
├── StateFolderTaken   another embedded OSMO uses the folder
├── EmptyToken         the file of the access token holds none
└── ApiError           one refused call, as OSMO 6.4 words it
"""

from __future__ import annotations


class EmbeddedOsmoError(Exception):
    """Every error of this room."""


class PortTaken(EmbeddedOsmoError):
    pass


class StateFolderTaken(EmbeddedOsmoError):
    pass


class EmptyToken(EmbeddedOsmoError):
    pass


class ApiError(EmbeddedOsmoError):
    """`error_code` is one of OSMO's; None stands for a server error, whose body holds the message alone."""

    def __init__(
        self, message: str, *, error_code: str | None = "USER", status: int = 400, workflow_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.error_code = error_code
        self.status = status
        self.workflow_id = workflow_id

    def body(self) -> dict[str, str | None]:
        if self.error_code is None:
            return {"message": self.message}
        return {"message": self.message, "error_code": self.error_code, "workflow_id": self.workflow_id}


def server_error(message: str) -> ApiError:
    """OSMO 6.4 answers 500 without an error_code for everything that it did not foresee."""
    return ApiError(f"Internal server error: {message}", error_code=None, status=500)
