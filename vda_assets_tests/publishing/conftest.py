from __future__ import annotations

from pathlib import Path

import pytest

from vda_assets.storage.access import Storage
from vda_assets.storage.url import StorageUrl
from vda_assets_tests.releases.made import MadeClips


@pytest.fixture
def clips(tmp_path: Path) -> MadeClips:
    return MadeClips(Storage(), StorageUrl.parse(f"file://{tmp_path}/storage"))
