"""What the containers get to see of a clip: the clip itself, or its pictures in an MP4 that the run keeps."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from vda_assets.base.failed import Failed
from vda_assets.base.parallel import in_order
from vda_assets.flows.work import ClipWork, digest
from vda_assets.media.errors import MediaError
from vda_assets.media.probe import ClipInfo, probe
from vda_assets.media.remux import check_pictures, is_mp4, remux
from vda_assets.storage.access import Storage
from vda_assets.storage.clips import MP4, Clip
from vda_assets.storage.errors import StorageError
from vda_assets.storage.layout import RunLayout
from vda_assets.storage.url import StorageUrl

_CLIPS_AT_ONCE = 8


def provide_inputs(
    storage: Storage, works: Sequence[ClipWork], *, layout: RunLayout
) -> Iterator[tuple[ClipWork, ClipInfo | Failed]]:
    """Each work, ready for its containers, with what they will see of its clip, or why they cannot take it.

    Opens every clip, and writes the MP4s that are missing.
    """

    def provide(work: ClipWork) -> tuple[ClipWork, ClipInfo | Failed]:
        try:
            with storage.reading(work.clip.url) as file:
                info = probe(file, name=work.clip.url.name)
            if not work.takes_clip:
                return work, info
            url, seen = container_input(storage, work.clip, info, layout=layout)
        except (StorageError, MediaError, OSError) as error:
            return work, Failed(str(error))
        return replace(work, remuxed=url), seen

    return in_order(provide, works, threads=_CLIPS_AT_ONCE)


def container_input(
    storage: Storage, clip: Clip, info: ClipInfo, *, layout: RunLayout
) -> tuple[StorageUrl | None, ClipInfo]:
    """Where the run keeps the clip as an MP4, None when it is one itself, and what the containers see.

    Raises MediaError when the containers cannot take its pictures, OSError, or StorageUnavailable.
    """
    name = clip.url.name
    check_pictures(info, name=name)
    if clip.suffix == MP4 and is_mp4(info):
        return None, info
    url = remuxed_url(layout, clip)
    try:
        with storage.reading(url) as made_before:
            return url, probe(made_before, name=url.name)
    except FileNotFoundError:
        pass
    with tempfile.TemporaryDirectory(prefix="vda-remux-") as folder:
        target = Path(folder, url.name)
        with storage.reading(clip.url) as source:
            made = remux(source, target, name=name, info=info)
        storage.upload(target, url)
    return url, made


def remuxed_url(layout: RunLayout, clip: Clip) -> StorageUrl:
    """One per content: a retried run keeps its folder, though a clip may have changed meanwhile."""
    return layout.remuxed_clip(clip.video, digest(clip.key, clip.version)[:12])
