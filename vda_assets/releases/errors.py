"""Why a release is not made or not read.

ReleaseError
├── NothingToRelease   no clip is accepted; the text says what keeps each kind out
├── VersionTaken       the version is there with another content: releases never change
├── Changed            what is released was replaced meanwhile; the same command releases what is there by then
├── MissingLibrary     the extra `release` is not installed
└── NotReleased        a file belongs to no release, or the release does not know it
"""

from __future__ import annotations


class ReleaseError(Exception):
    """Base of the room's errors."""


class NothingToRelease(ReleaseError):
    pass


class VersionTaken(ReleaseError):
    pass


class Changed(ReleaseError):
    pass


class MissingLibrary(ReleaseError):
    pass


class NotReleased(ReleaseError):
    pass
