"""Why a finished release is not found, pushed, opened or traced; each is a ReleaseError.

ReleaseError
├── NotFinished      no such version, or it is not whole: the text says which file
├── PlaceTaken       where it is to go lies something else, or somebody else writes there
├── PushRefused      a person must act: a token, a right, or --public
├── HubUnavailable   the hub did not answer as long as it was waited for; the same command goes on
└── NotOpened        FiftyOne is not installed, or it cannot open the release
"""

from __future__ import annotations

from vda_assets.releases.errors import ReleaseError


class NotFinished(ReleaseError):
    pass


class PlaceTaken(ReleaseError):
    pass


class PushRefused(ReleaseError):
    pass


class HubUnavailable(ReleaseError):
    pass


class NotOpened(ReleaseError):
    pass
