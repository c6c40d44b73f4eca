"""Small still pictures of comparisons beside a report that is to be sent on, without the storage that it tells of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vda_assets.base.parallel import in_order
from vda_assets.media.errors import MediaError
from vda_assets.media.preview import poster_of
from vda_assets.reports.facts import ClipFacts, Variant
from vda_assets.reports.places import PREVIEWS_FOLDER
from vda_assets.storage.access import Storage
from vda_assets.storage.errors import ObjectUnusable
from vda_assets.storage.local_files import part_of

_PICTURE_BYTES = 16 * 1024 * 1024
_THREADS = 8


def with_previews(storage: Storage, clips: Sequence[ClipFacts], folder: Path) -> list[ClipFacts]:
    """The clips with a small picture each in that folder; one whose picture cannot be read goes without."""
    (folder / PREVIEWS_FOLDER).mkdir(parents=True, exist_ok=True)

    def own(clip: ClipFacts) -> ClipFacts:
        return replace(clip, variants=tuple(_with_preview(storage, clip, one, folder) for one in clip.variants))

    return list(in_order(own, clips, threads=_THREADS))


def _with_preview(storage: Storage, clip: ClipFacts, variant: Variant, folder: Path) -> Variant:
    if variant.picture is None:
        return variant
    try:
        small = poster_of(storage.read_bytes(variant.picture, limit_bytes=_PICTURE_BYTES), name=str(variant.picture))
    except (FileNotFoundError, ObjectUnusable, MediaError):
        return replace(variant, picture=None)
    name = f"{clip.key}.{variant.index}.jpg"
    with part_of(str(folder / PREVIEWS_FOLDER / name)) as part:
        part.write_bytes(small)
    return replace(variant, preview=name)
