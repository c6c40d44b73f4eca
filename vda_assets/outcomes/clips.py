"""What a clip in storage is, and whether it is the one that its worker wrote."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from vda_assets.media.errors import MediaError
from vda_assets.media.probe import ClipInfo, probe
from vda_assets.outcomes import limits
from vda_assets.outcomes.marker import Marker, OutputMissing
from vda_assets.storage.access import Storage
from vda_assets.storage.url import FILE_SCHEME, StorageUrl

_CHUNK_BYTES = 1 << 20


def probe_marked(storage: Storage, folder: StorageUrl, marker: Marker, path: str) -> ClipInfo:
    """What the clip below the folder is. Raises OutputMissing when it is not the one that the worker wrote, or no clip.

    It is read once and whole: another attempt's clip may have the very size of this one's.
    """
    size_bytes = marker.file(path).size_bytes
    if size_bytes > limits.VIDEO_BYTES:
        raise OutputMissing(f"{path} has {size_bytes:,} bytes; at most {limits.VIDEO_BYTES:,} are read")
    with tempfile.TemporaryDirectory(prefix="vda-clip-") as temporary:
        if folder.scheme == FILE_SCHEME:
            local = Path(f"/{(folder / path).key}")
        else:
            local = Path(temporary, "clip")
            storage.download(folder / path, local)
        marker.require(path, _sha256(local))
        try:
            return probe(local, name=path)
        except MediaError as error:
            raise OutputMissing(str(error)) from error


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
