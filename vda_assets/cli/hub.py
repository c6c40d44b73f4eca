"""Clips of a dataset repository on the Hugging Face hub, all of one commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Self

import click
from httpx import HTTPError
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from vda_assets.base.counted import counted
from vda_assets.base.cut import cut
from vda_assets.storage.transfer import NO_SPACE, NotCopied

_TIMEOUT_SECONDS = 10


# The library's own errors, httpx's, what its native part (hf-xet) raises, and what it stumbles over in an answer that
# is none of a hub's, or a path that leads out of the repository.
_FAULTS = (HTTPError, OSError, RuntimeError, ValueError, TypeError, LookupError, AttributeError)


@dataclass(frozen=True)
class NotFetched(NotCopied):
    """A clip that the hub has and that did not come."""


@dataclass(frozen=True)
class HubClips:
    repository: str
    commit: str
    names: tuple[str, ...]

    @classmethod
    def find(cls, repository: str, revision: str) -> Self:
        """Every .mp4 of the repository. Raises click.ClickException of one line."""
        try:
            found = HfApi().dataset_info(repository, revision=revision, timeout=_TIMEOUT_SECONDS)
        except _FAULTS as error:
            raise click.ClickException(_reason(error, repository, revision)) from None
        names = [one.rfilename for one in found.siblings or () if one.rfilename.lower().endswith(".mp4")]
        if not names:
            raise click.ClickException(f"{repository} at {revision} has no .mp4")
        return cls(repository, str(found.sha), tuple(sorted(names)))

    def fetch(self, folder: Path) -> Iterator[tuple[Path, str | NotCopied]]:
        """Each clip's local file and its name without folders; of those that then share a name none is taken.

        What fails is a problem of its own. What lies in the folder already is not asked for again: a file is there when
        it is whole. Once the hub does not answer or the disk is full, nothing more is asked for.
        """
        counts = Counter(PurePosixPath(name).name for name in self.names)
        stopped = ""
        for name in self.names:
            flat = PurePosixPath(name).name
            if counts[flat] > 1:
                clips = counted(counts[flat], "clip")
                reason = f"{clips} of {self.repository} are called {flat}; none of them is taken"
                yield Path(name), NotCopied(name, reason)
                continue
            try:
                file = hf_hub_download(
                    self.repository,
                    name,
                    repo_type="dataset",
                    revision=self.commit,
                    local_dir=folder,
                    local_files_only=bool(stopped),
                )
            except _FAULTS as error:
                cause = _cause(error)
                reason = stopped or _reason(cause, self.repository, self.commit, folder)
                stopped = reason if _concerns_all(cause) else ""
                yield Path(name), NotFetched(name, reason)
            else:
                yield Path(file), flat


def _cause(error: Exception) -> Exception:
    """What happened; the library says of most of it only that the file is not here."""
    return (
        error.__cause__
        if isinstance(error, LocalEntryNotFoundError) and isinstance(error.__cause__, Exception)
        else error
    )


def _concerns_all(error: Exception) -> bool:
    return _is_unreachable(error) or _is_disk_full(error)


def _is_unreachable(error: Exception) -> bool:
    silent = isinstance(error, (OfflineModeIsEnabled, LocalEntryNotFoundError, HTTPError))
    return silent and not isinstance(error, HfHubHTTPError)


def _is_disk_full(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno in NO_SPACE


def _reason(error: Exception, repository: str, revision: str, folder: Path | None = None) -> str:
    if isinstance(error, GatedRepoError):
        return f"{repository} wants its terms accepted: do so on its page, then set HF_TOKEN"
    if isinstance(error, RevisionNotFoundError):
        return f"{repository} has no revision {revision!r}"
    if isinstance(error, RepositoryNotFoundError):
        return f"there is no dataset repository {repository}, or HF_TOKEN may not see it"
    if isinstance(error, HfHubHTTPError):
        return _refusal(error.response.status_code, repository)
    if _is_unreachable(error):
        kind = type(error).__name__
        return (
            f"the Hugging Face hub cannot be reached ({kind}); run the command again, or put clips of your own with "
            "vda upload"
        )
    if _is_disk_full(error):
        return f"the disk of {folder} is full: make room, or set VDA_HOME to a larger one; then run the command again"
    return f"it did not come whole ({cut(error)}); run the command again"


def _refusal(status: int, repository: str) -> str:
    if status in {401, 403}:
        return f"the Hugging Face hub refuses it ({status}): HF_TOKEN must be a token that may read {repository}"
    if status in {404, 410}:
        return f"the Hugging Face hub does not have it ({status})"
    return f"the Hugging Face hub answers {status}; run the command again later"
