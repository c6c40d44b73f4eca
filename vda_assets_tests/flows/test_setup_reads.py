"""What a clip's setup reads, by the pipeline and by its worker, does not grow with the dataset."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from vda_assets.config.deployment import Endpoints, Images
from vda_assets.cookbooks.cookbook import Cookbook, read_cookbook
from vda_assets.cookbooks.draw import draws_for
from vda_assets.datasets.clips import clip_at
from vda_assets.flows.inputs import Seen, provide_inputs
from vda_assets.flows.selection import FLOWS
from vda_assets.flows.setup import files_for, setup_files, write_setup
from vda_assets.flows.work import ClipWork, output_hashes
from vda_assets.storage.layout import RunLayout
from vda_assets_tests.chaos_proxy import Proxy, Trouble, proxying
from vda_assets_tests.clips import cut
from vda_assets_tests.end_to_end.world import REPOSITORY
from vda_assets_tests.storage.emulators import Place, moto

# One page of a listing would show in the bytes of the answers already.
DATASETS = (10, 200)
RUNS = (10, 1000)


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with moto(tmp_path_factory.mktemp("moto")) as place:
        yield place


@pytest.fixture(scope="module")
def cookbook() -> Cookbook:
    return read_cookbook(REPOSITORY / "assets_cfg/cookbooks/city_traffic", name="city_traffic")


def key_of(number: int) -> str:
    return f"clip{number:04d}.mp4"


def fill(place: Place, dataset: str, *, clips: int, content: bytes) -> None:
    folder = place.root / f"datasets/{dataset}"
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: place.storage.write_bytes(folder / key_of(number), content), range(clips)))


def test_the_pipeline_reads_as_much_for_the_setup_of_a_clip_of_a_small_dataset_as_of_a_large_one(
    bucket: Place, cookbook: Cookbook, tmp_path: Path
) -> None:
    assert bucket.credential is not None
    content = cut(tmp_path / "a.mp4", frames=20).read_bytes()
    proxy = Proxy(str(bucket.credential.override_url), Trouble())
    costs = []
    for clips in DATASETS:
        dataset = f"of-{clips}"
        fill(bucket, dataset, clips=clips, content=content)
        with proxying(proxy):
            storage = replace(bucket, credential=replace(bucket.credential, override_url=proxy.url)).storage
            layout = RunLayout(bucket.root, dataset, "run-0a1b2c3d")
            proxy.calls.clear()
            proxy.answered_bytes = 0
            clip = clip_at(storage, bucket.root / f"datasets/{dataset}", key_of(clips // 2))
            draws, hashes = output_hashes(clip, cookbook=cookbook, images=Images(), super_resolution=False)
            work = ClipWork(clip, FLOWS["e2e"], draws, hashes)
            ((_, seen),) = provide_inputs(storage, [work], layout=layout)
            assert isinstance(seen, Seen)
            files = setup_files({clip.path: draws}, cookbook=cookbook, endpoints=Endpoints(), super_resolution=False)
            write_setup(storage, layout, files)
        costs.append((proxy.calls.copy(), proxy.answered_bytes))
    (few_calls, few_bytes), (many_calls, many_bytes) = costs
    assert many_calls == few_calls
    assert many_bytes <= few_bytes + 200  # the names are of different lengths
    assert few_bytes < 2 * len(content) + 20_000


def test_a_worker_downloads_as_much_of_the_setup_of_a_large_run_as_of_a_small_one(cookbook: Cookbook) -> None:
    downloaded = []
    for clips in RUNS:
        draws = {
            key_of(number): draws_for(cookbook.distribution, key_of(number).removesuffix(".mp4"))
            for number in range(clips)
        }
        files = setup_files(draws, cookbook=cookbook, endpoints=Endpoints(), super_resolution=False)
        wanted = re.compile(files_for(draws[key_of(7)][0]))
        downloaded.append({path: len(content) for path, content in files.items() if wanted.match(path)})
        assert sum(path.endswith("_aug0.yaml") for path in files) == clips
    assert downloaded[0] == downloaded[1]
