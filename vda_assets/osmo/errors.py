"""What can go wrong between us and an OSMO service (6.4).

OsmoError
├── OsmoUnavailable              no answer, or 502/503/504: the same call may work later
│   └── OsmoBusy                 not now: 429, the user's limit of ongoing workflows, a pool in MAINTENANCE
├── OsmoRefused                  the service understood and said no: somebody must act first
│   ├── OsmoUnauthorized         no login, or one that the service does not accept
│   ├── OsmoForbidden            the login is fine, its roles do not allow this call
│   ├── OsmoNotFound             it knows no such workflow, pool, task or credential
│   ├── OsmoAlreadyFinished      a cancel came after the end
│   └── OsmoSubmissionRefused    the workflow was not accepted: spec, pool, platform or credential
└── OsmoServerError              HTTP 500
    └── OsmoStrangeAnswer        an answer that OSMO 6.4 does not give: without end, compressed, or of another kind

No message ever holds a token or a credential's value.
"""

from __future__ import annotations


class OsmoError(Exception):
    """Every error of this room."""


class OsmoUnavailable(OsmoError):
    """`maybe_delivered`: the service may have carried the write out; look before sending it again."""

    def __init__(self, message: str, *, maybe_delivered: bool) -> None:
        super().__init__(message)
        self.maybe_delivered = maybe_delivered


class OsmoBusy(OsmoUnavailable):
    """The service did nothing. The same call works later, or once some of the user's own workflows ended."""

    def __init__(self, message: str) -> None:
        super().__init__(message, maybe_delivered=False)


class OsmoRefused(OsmoError):
    """`status` is HTTP's, 0 when nothing was sent; `error_code` and `service_message` are OSMO's, '' without one."""

    def __init__(self, message: str, *, status: int = 0, error_code: str = "", service_message: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.error_code = error_code
        self.service_message = service_message


class OsmoUnauthorized(OsmoRefused):
    pass


class OsmoForbidden(OsmoRefused):
    pass


class OsmoNotFound(OsmoRefused):
    pass


class OsmoAlreadyFinished(OsmoRefused):
    pass


class OsmoSubmissionRefused(OsmoRefused):
    pass


class OsmoServerError(OsmoError):
    """OSMO 6.4 answers 500 also to some specs, e.g. an unknown URL scheme: trying again does not help."""


class OsmoStrangeAnswer(OsmoServerError):
    """Perhaps the URL is not that of an OSMO service, or something on the way answers in its place."""
