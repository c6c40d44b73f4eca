"""The part of the stand-in of the Hugging Face hub that takes uploads, as unkindly as the real one.

Written after huggingface_hub 1.x, which speaks to it: preupload, LFS batch with signed links, commits in lines of
JSON, tags. It has no Xet and no uploads in parts, so its tests turn Xet off in the library. It trusts nothing that it
is told: hashes and sizes are compared with what came, and a commit refers only to what is there.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any
from urllib.parse import parse_qs, unquote

import yaml

from vda_assets_tests.hub_serving import HubHandler, HubRepository

_REPOSITORY = r"/api/datasets/(?P<repository>[^/]+/[^/]+)"
_ROUTES = {
    rf"GET {_REPOSITORY}/tree/(?P<revision>[^/]+)": "give_tree",
    rf"POST {_REPOSITORY}/paths-info/(?P<revision>[^/]+)": "give_paths",
    rf"POST {_REPOSITORY}/preupload/(?P<revision>[^/]+)": "say_modes",
    rf"POST {_REPOSITORY}/commit/(?P<revision>[^/]+)": "commit",
    rf"POST {_REPOSITORY}/tag/(?P<revision>[^/]+)": "tag",
    rf"PUT {_REPOSITORY}/settings": "change",
    r"POST /datasets/(?P<repository>[^/]+/[^/]+)\.git/info/lfs/objects/batch": "give_links",
    r"POST /datasets/(?P<repository>[^/]+/[^/]+)\.git/info/lfs/objects/verify": "verify",
    r"POST /api/repos/create": "create",
    r"POST /api/validate-yaml": "validate",
    r"PUT /signed/(?P<oid>[0-9a-f]{64})": "take",
}
SIGNATURE = "signed-by-the-stand-in"
ATTRIBUTES = b"*.mp4 filter=lfs\n*.parquet filter=lfs\n*.zip filter=lfs\n"
_LARGE = (".mp4", ".parquet", ".zip")
_LARGEST_IN_GIT, _MOST_ASKED, _MOST_IN_FOLDER, _PAGE = 10 * 1024 * 1024, 256, 10_000, 5
_LICENCES = {"apache-2.0", "mit", "cc-by-4.0", "cc0-1.0", "unknown", "other"}


class TakingHandler(HubHandler):
    """`lost` commits are made and their answers are not sent; what `ignored` ends with is kept out by a .gitignore."""

    lost: list[bool] = []
    ignored: tuple[str, ...] = ()

    def answer(self) -> None:
        path = unquote(self.path.partition("?")[0])
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length) if length else self.chunks()
        for route, name in _ROUTES.items():
            found = re.fullmatch(route, f"{self.command} {path}")
            if not found:
                continue
            self.hub.asked.append((self.command, path, self.headers.get("Authorization", "")))
            if self.hub.first and (status := self.hub.first.pop(0)):
                self.refuse(status)
            else:
                getattr(self, name)(**found.groupdict())
            return
        super().answer()

    do_GET = do_HEAD = do_POST = do_PUT = answer  # noqa: N815

    def chunks(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return b""
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def opened(self, repository: str, *, to_write: bool = True) -> HubRepository | None:
        """None, with the answer given, where this token may not."""
        one = self.hub.repositories.get(repository)
        owner = self.hub.writers.get(self.token)
        if self.token not in self.hub.tokens:
            self.refuse(401, "RepoNotFound")
        elif one is None or (one.private and owner is None):
            self.refuse(404, "RepoNotFound")
        elif to_write and owner != repository.partition("/")[0]:
            self.refuse(403)
        else:
            return one
        return None

    def create(self) -> None:
        asked = json.loads(self.body)
        name = f"{asked['organization']}/{asked['name']}"
        if self.token not in self.hub.tokens:
            self.refuse(401)
        elif self.hub.writers.get(self.token) != asked["organization"]:
            self.refuse(403)
        elif name in self.hub.repositories:
            self.refuse(409)
        else:
            private = asked.get("visibility") == "private"
            self.hub.repositories[name] = HubRepository({".gitattributes": ATTRIBUTES}, private=private)
            self.tell({"url": f"{self.hub.url}/datasets/{name}"})

    def change(self, repository: str) -> None:
        if one := self.opened(repository):
            asked = json.loads(self.body)
            one.private = asked["visibility"] == "private" if "visibility" in asked else asked["private"]
            self.tell({})

    def files_at(self, repository: str, revision: str) -> dict[str, bytes] | None:
        """None when it was answered that there is no such revision, or none for this token."""
        one = self.opened(repository, to_write=False)
        files = one.at(revision) if one else None
        if one and files is None:
            self.refuse(404, "RevisionNotFound")
        return files

    def give_tree(self, repository: str, revision: str) -> None:
        files = self.files_at(repository, revision)
        if files is None:
            return
        first = int((parse_qs(self.path.partition("?")[2]).get("cursor") or ["0"])[0])
        page = sorted(files)[first : first + _PAGE]
        more = f'<{self.hub.url}{self.path.partition("?")[0]}?recursive=true&cursor={first + _PAGE}>; rel="next"'
        folders = [] if first else [{"type": "directory", "path": "labels", "oid": "0" * 40}]
        rows = [*folders, *(_about(path, files[path]) for path in page)]
        self.tell(rows, **({"Link": more} if first + _PAGE < len(files) else {}))

    def give_paths(self, repository: str, revision: str) -> None:
        files = self.files_at(repository, revision)
        if files is None:
            return
        asked = parse_qs(self.body.decode())["paths"]
        self.tell([_about(path, files[path]) for path in asked if path in files])

    def say_modes(self, repository: str, revision: str) -> None:
        one = self.opened(repository)
        asked = json.loads(self.body)["files"]
        if one is None:
            return
        if len(asked) > _MOST_ASKED:
            self.refuse(413)
            return
        self.tell({"files": [self._mode(one, file) for file in asked]})

    def _mode(self, one: HubRepository, file: dict[str, Any]) -> dict[str, Any]:
        path = file["path"]
        there = one.files.get(path)
        oid = None if there is None else _oid(path, there)
        mode = "lfs" if _is_large(path, file["size"]) else "regular"
        return {"path": path, "uploadMode": mode, "shouldIgnore": path.endswith(self.ignored or "\0"), "oid": oid}

    def give_links(self, repository: str) -> None:
        if self.opened(repository) is None:
            return
        objects = []
        for one in json.loads(self.body)["objects"]:
            about = {"oid": one["oid"], "size": one["size"]}
            if one["oid"] not in self.hub.large:
                link = f"{self.hub.url}/signed/{one['oid']}?size={one['size']}&X-Amz-Signature={SIGNATURE}"
                check = f"{self.hub.url}/datasets/{repository}.git/info/lfs/objects/verify"
                about["actions"] = {"upload": {"href": link}, "verify": {"href": check}}
            objects.append(about)
        self.tell({"transfer": "basic", "objects": objects})

    def take(self, oid: str) -> None:
        """As S3 does: a signed link and a token beside it are refused, and what is not what was signed too."""
        asked = parse_qs(self.path.partition("?")[2])
        is_signed = asked.get("X-Amz-Signature") == [SIGNATURE] and not self.token
        if not is_signed or len(self.body) != int(asked["size"][0]) or hashlib.sha256(self.body).hexdigest() != oid:
            self.refuse(400)
            return
        self.hub.large[oid] = self.body
        self.hub.sent.append(oid)
        self.give(200)

    def verify(self, repository: str) -> None:
        if self.opened(repository):
            asked = json.loads(self.body)
            there = self.hub.large.get(asked["oid"])
            self.give(200) if there is not None and len(there) == asked["size"] else self.refuse(404)

    def commit(self, repository: str, revision: str) -> None:
        one = self.opened(repository)
        if one is None:
            return
        header, *lines = [json.loads(line) for line in self.body.splitlines()]
        if header["value"].get("parentCommit", one.commit) != one.commit:
            self.refuse(412)
            return
        files = dict(one.files)
        if revision != "main" or not lines or not all(self._apply(line, files) for line in lines):
            self.refuse(400)
            return
        folders = [path.rpartition("/")[0] for path in files]
        if max(map(folders.count, set(folders))) > _MOST_IN_FOLDER:
            self.refuse(400)
            return
        one.former[one.commit] = one.files
        one.files = files
        one.commit = hashlib.sha1(f"{one.commit}{len(one.messages)}".encode()).hexdigest()
        one.messages.append(header["value"]["summary"])
        if self.lost and self.lost.pop():
            self.close_connection = True
            return
        self.tell({"commitUrl": f"{self.hub.url}/datasets/{repository}/commit/{one.commit}", "commitOid": one.commit})

    def _apply(self, line: dict[str, Any], files: dict[str, bytes]) -> bool:
        """Whether it could be."""
        value = line["value"]
        path = value["path"]
        if line["key"] == "deletedFile":
            return files.pop(path, None) is not None
        if line["key"] == "lfsFile":
            content = self.hub.large.get(value["oid"])
            if content is None or len(content) != value["size"]:
                return False
        else:
            content = base64.b64decode(value["content"], validate=True)
            if _is_large(path, len(content)):
                return False
        files[path] = content
        return True

    def tag(self, repository: str, revision: str) -> None:
        one = self.opened(repository)
        if one is None:
            return
        name = json.loads(self.body)["tag"]
        if name in one.tags:
            self.refuse(409)
        elif one.at(revision) is None:
            self.refuse(404, "RevisionNotFound")
        else:
            one.tags[name] = one.commit_of(revision)
            self.tell({})

    def validate(self) -> None:
        front = yaml.safe_load(json.loads(self.body)["content"].split("---\n")[1])
        if front["license"] in _LICENCES:
            self.tell({})
        else:
            self.give(400, json.dumps({"errors": [{"message": '"license" must be one of those it knows'}]}).encode())

    def tell(self, content: object, **headers: str) -> None:
        self.give(200, json.dumps(content).encode(), **headers)


def _is_large(path: str, size_bytes: int) -> bool:
    return size_bytes > 0 and (path.endswith(_LARGE) or size_bytes > _LARGEST_IN_GIT)


def _oid(path: str, content: bytes) -> str:
    """What the hub tells one content of a path from another by."""
    return hashlib.sha256(content).hexdigest() if _is_large(path, len(content)) else _git(content)


def _git(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _about(path: str, content: bytes) -> dict[str, Any]:
    about: dict[str, Any] = {"type": "file", "path": path, "size": len(content), "oid": _git(content)}
    if _is_large(path, len(content)):
        sha256 = hashlib.sha256(content).hexdigest()
        about["oid"] = _git(f"a pointer to {sha256}".encode())
        about["lfs"] = {"oid": sha256, "size": len(content), "pointerSize": 134}
    return about
