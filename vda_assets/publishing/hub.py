"""One dataset repository on the Hugging Face hub, asked by its own library, with errors that say what to do.

No text of the library or of the hub goes into a message: links of its storage are signed, so they are secrets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from logging import ERROR
from typing import Any, TypeVar

import httpx
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, set_client_factory
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import logging as hub_logging
from huggingface_hub.utils.sha import git_hash
from huggingface_hub.utils.tqdm import disable_progress_bars

from vda_assets.base.clock import SYSTEM_CLOCK, Clock
from vda_assets.base.cut import cut
from vda_assets.base.patience import Patience, Waiter, say_nothing
from vda_assets.publishing.errors import HubUnavailable, PlaceTaken, PushRefused

_NAME = re.compile(r"(?:hf://datasets/)?(?P<name>[\w.-]{1,96}/[\w.-]{1,96})/?")
_TYPE = "dataset"
# The library itself would wait for ever. A commit of hundreds of files takes the hub a minute.
_ANSWER_SECONDS = 300.0
# It lets a repository have so many commits in an hour, and answers 429 beyond.
HUB_PATIENCE = Patience(1800, longest_pause_seconds=60)
_SLOW = {408, 409, 429}
# What is larger the hub keeps in its storage of large files, by the hash of its content.
_LARGEST_IN_GIT = 10 * 1024 * 1024
ResultT = TypeVar("ResultT")


class _Busy(Exception):
    """What time may mend."""


@dataclass(frozen=True)
class HubFile:
    """`sha256` is empty for a file that the hub keeps in git itself, of which `git_id` alone is known."""

    sha256: str
    git_id: str
    size_bytes: int


def repository_name(to: str) -> str | None:
    """OWNER/NAME of what is written so, or as `hf://datasets/OWNER/NAME`; None for anything else."""
    found = _NAME.fullmatch(to)
    return found["name"] if found else None


class HubRepository:
    """Raises PushRefused where a person must act, PlaceTaken when somebody else writes, HubUnavailable."""

    def __init__(
        self,
        name: str,
        *,
        token: str,
        endpoint: str | None = None,
        patience: Patience = HUB_PATIENCE,
        clock: Clock = SYSTEM_CLOCK,
        log: Callable[[str], None] = say_nothing,
    ) -> None:
        _tame_library()
        self.name = name
        self._api = HfApi(endpoint=endpoint, token=token)
        self._waiter = Waiter(patience, whom="the Hugging Face hub", worth_waiting=_Busy, clock=clock, log=log)

    def __str__(self) -> str:
        return f"{self._api.endpoint}/datasets/{self.name}"

    def visibility(self) -> str | None:
        """`private` or `public`; None where there is no such repository, or none that this token sees."""
        try:
            info = self._ask(lambda: self._api.repo_info(self.name, repo_type=_TYPE))
        except _Missing:
            return None
        return "private" if info.private else "public"

    def create(self, *, private: bool) -> None:
        self._ask(lambda: self._api.create_repo(self.name, repo_type=_TYPE, private=private, exist_ok=True))

    def make_public(self) -> None:
        self._ask(lambda: self._api.update_repo_settings(self.name, repo_type=_TYPE, private=False))

    def head(self) -> str:
        """The commit that `main` names."""
        return str(self._ask(lambda: self._api.repo_info(self.name, repo_type=_TYPE)).sha)

    def files(self, revision: str) -> dict[str, HubFile]:
        """All there are at the revision, by path."""

        def listed() -> dict[str, HubFile]:
            tree = self._api.list_repo_tree(self.name, repo_type=_TYPE, revision=revision, recursive=True)
            return {one.path: _file(one) for one in tree if isinstance(one, RepoFile)}

        return self._ask(listed)

    def files_at(self, revision: str, paths: Sequence[str]) -> dict[str, HubFile] | None:
        """Those of the paths that there are; None when there is no such revision."""
        try:
            found = self._ask(
                lambda: self._api.get_paths_info(self.name, list(paths), repo_type=_TYPE, revision=revision)
            )
        except _Missing:
            return None
        return {one.path: _file(one) for one in found if isinstance(one, RepoFile)}

    def commit(
        self, operations: Sequence[CommitOperationAdd | CommitOperationDelete], message: str, *, parent: str
    ) -> str:
        """The new head: what the operations say, on top of `parent`.

        A commit whose answer was lost is looked for before it is sent again. Raises PlaceTaken when `main` is not the
        parent any more.
        """

        def send() -> str:
            head = self._api.repo_info(self.name, repo_type=_TYPE).sha
            if head != parent and self._is_made(operations[0], str(head)):
                return str(head)
            return self._api.create_commit(
                self.name, operations, commit_message=message, repo_type=_TYPE, parent_commit=parent
            ).oid

        return self._ask(send)

    def tag(self, name: str, revision: str) -> None:
        self._ask(lambda: self._api.create_tag(self.name, tag=name, repo_type=_TYPE, revision=revision, exist_ok=True))

    def _is_made(self, operation: CommitOperationAdd | CommitOperationDelete, revision: str) -> bool:
        """Whether the commit has it: all that is in one commit comes at once."""
        there = self._api.get_paths_info(self.name, [operation.path_in_repo], repo_type=_TYPE, revision=revision)
        if isinstance(operation, CommitOperationDelete):
            return not there
        own = {operation.upload_info.sha256.hex()}
        if operation.upload_info.size <= _LARGEST_IN_GIT:
            with operation.as_file() as file:
                own.add(git_hash(file.read()))
        return any(isinstance(one, RepoFile) and own & {_file(one).sha256, one.blob_id} for one in there)

    def _ask(self, call: Callable[[], ResultT]) -> ResultT:
        def ask() -> ResultT:
            with self._explained():
                return call()

        try:
            return self._waiter.ask(ask)
        except _Busy as error:
            raise HubUnavailable(f"{error}; run the same command again, it goes on where it was") from None

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (RepositoryNotFoundError, RevisionNotFoundError) as error:
            if error.response.status_code == httpx.codes.UNAUTHORIZED:
                raise self._bad_token() from None
            raise _Missing(
                f"there is no dataset repository {self.name}, or HF_TOKEN may not see it: create it, or name another"
            ) from None
        except HfHubHTTPError as error:
            raise self._refusal(error.response.status_code) from None
        except httpx.HTTPError as error:
            raise _Busy(f"the Hugging Face hub cannot be reached ({type(error).__name__})") from None
        except (RuntimeError, ConnectionError, TimeoutError) as error:
            # The upload of one file, by this library or its native part. A link that is too old is refused: the next
            # try asks for another.
            kind = type(error.__cause__ or error).__name__
            raise _Busy(f"a file did not arrive at the Hugging Face hub ({kind})") from None
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            # What it says of a card that it does not take, and what the library stumbles over in an answer of no hub.
            raise PushRefused(f"the Hugging Face hub does not take it: {_unlinked(error)}") from None

    def _refusal(self, status: int) -> Exception:
        if status == httpx.codes.UNAUTHORIZED:
            return self._bad_token()
        if status in {httpx.codes.FORBIDDEN, httpx.codes.PAYMENT_REQUIRED}:
            return PushRefused(
                f"the Hugging Face hub refuses it ({status}): the account of HF_TOKEN, or the token itself, may not "
                f"write to {self.name}, or has no room left. Take a token with write access to it"
            )
        if status == httpx.codes.PRECONDITION_FAILED:
            return PlaceTaken(
                f"somebody else changed {self.name} meanwhile: run the same command again once they ended"
            )
        if status in _SLOW or status >= httpx.codes.INTERNAL_SERVER_ERROR:
            return _Busy(f"the Hugging Face hub answers {status}")
        return PushRefused(f"the Hugging Face hub refuses it ({status}) for {self.name}")

    def _bad_token(self) -> PushRefused:
        return PushRefused(
            "the Hugging Face hub does not know the token (401): set HF_TOKEN to a valid one that may write to "
            f"{self.name}"
        )


@cache
def _tame_library() -> None:
    """Once per process: its settings are the process's."""
    disable_progress_bars()
    hub_logging.get_logger("huggingface_hub").setLevel(ERROR)  # its warnings quote signed links
    set_client_factory(lambda: httpx.Client(follow_redirects=True, timeout=_ANSWER_SECONDS))


class _Missing(PushRefused):
    """No such repository or revision."""


def _file(found: Any) -> HubFile:
    return HubFile(found.lfs.sha256 if found.lfs else "", found.blob_id, found.size)


def _unlinked(error: Exception) -> str:
    return cut(re.sub(r"\w+://\S+", "…", str(error)))
