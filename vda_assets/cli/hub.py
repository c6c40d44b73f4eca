"""Clips of a dataset repository on the Hugging Face hub, all of one commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
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

from vda_assets.storage.transfer import NotCopied

_TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class HubClips:
    repository: str
    commit: str
    names: tuple[str, ...]

    @classmethod
    def find(cls, repository: str, revision: str) -> Self:
        """Every .mp4 of the repository. Raises click.ClickException of one line."""
        with _explained(repository, revision):
            found = HfApi().dataset_info(repository, revision=revision, timeout=_TIMEOUT_SECONDS)
        names = [one.rfilename for one in found.siblings or () if one.rfilename.lower().endswith(".mp4")]
        if not names:
            raise click.ClickException(f"{repository} at {revision} has no .mp4")
        return cls(repository, str(found.sha), tuple(sorted(names)))

    def fetch(self, folder: Path) -> Iterator[tuple[Path, str | NotCopied]]:
        """Each clip's local file and its name without folders; of those that then share a name none is taken."""
        counts = Counter(PurePosixPath(name).name for name in self.names)
        for name in self.names:
            flat = PurePosixPath(name).name
            if counts[flat] > 1:
                reason = f"{counts[flat]} clips of {self.repository} are called {flat}; none of them is taken"
                yield Path(name), NotCopied(name, reason)
                continue
            with _explained(self.repository, self.commit):
                file = hf_hub_download(
                    self.repository, name, repo_type="dataset", revision=self.commit, local_dir=folder
                )
            yield Path(file), flat


@contextmanager
def _explained(repository: str, revision: str) -> Iterator[None]:
    try:
        yield
    except GatedRepoError:
        message = f"{repository} wants its terms accepted: do so on its page, then set HF_TOKEN"
    except RevisionNotFoundError:
        message = f"{repository} has no revision {revision!r}"
    except RepositoryNotFoundError:
        message = f"there is no dataset repository {repository}, or HF_TOKEN may not see it"
    except HfHubHTTPError as error:
        message = f"the Hugging Face hub refuses {repository}: {str(error).splitlines()[0]}"
    except (OfflineModeIsEnabled, LocalEntryNotFoundError, HTTPError) as error:
        message = (
            f"the Hugging Face hub cannot be reached ({type(error).__name__}); put clips of your own with vda upload"
        )
    else:
        return
    raise click.ClickException(message)
