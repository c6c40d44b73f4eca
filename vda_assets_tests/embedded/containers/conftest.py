"""A model server on loopback, a tiny clip, and configs for the two stand-ins."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from vda_assets.embedded.containers.augmentation.__main__ import main as augment
from vda_assets.embedded.containers.auto_labeling.__main__ import main as label
from vda_assets.embedded.nim import NimServer
from vda_assets_tests.embedded.containers.clips import make_clip

COOKBOOK = Path(__file__).parents[3] / "assets_cfg/cookbooks/city_traffic"
MODEL = "Qwen/Qwen3-VL-30B-A3B-Instruct"
NOBODY = "http://127.0.0.1:9/v1"

Run = Callable[..., int]


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for prefix in ("VLM", "LLM", "VLM_ENDPOINT", "LLM_ENDPOINT", "LLM_CAPTION_ENDPOINT"):
        for key in ("BASE_URL", "URL", "MODEL"):
            monkeypatch.delenv(f"{prefix}_{key}", raising=False)
    for name in ("MODEL_CACHE_PATH", "AUTO_LABELING_DRY_RUN", "OVERWRITE_CAPTION"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def model_url() -> Iterator[str]:
    with NimServer(("127.0.0.1", 0), MODEL) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clips") / "yardcam07.mp4")


@pytest.fixture
def run_augmentation(tmp_path: Path, clip: Path, model_url: str) -> Run:
    """Runs the stand-in as the worker does: the cookbook with one value per variable, and overrides."""
    document = yaml.safe_load((COOKBOOK / "augmentation/augmentation.yaml").read_text())
    document["captioning"]["llm"]["variables"] = {"weather": ["rain"], "time_of_day": ["evening"]}
    document["augmentation"]["parameters"]["seed"] = 11
    config = tmp_path / "yardcam07_aug0.yaml"
    config.write_text(yaml.safe_dump(document))
    out = tmp_path / "out"

    def run(*overrides: str) -> int:
        return augment(
            [
                "--config",
                str(config),
                f"data.0.inputs.rgb={clip}",
                f"data.0.output.video={out}/augmented_video.mp4",
                f"data.0.output.caption={out}/caption/output.txt",
                f"data.0.output.metadata={out}/metadata.json",
                f"endpoints.vlm.url={model_url}",
                f"endpoints.llm.url={model_url}",
                *overrides,
            ]
        )

    return run


@pytest.fixture
def run_labeling(tmp_path: Path, clip: Path, model_url: str) -> Run:
    """Runs the stand-in as the worker does: the cookbook and overrides; the scene goes to tmp_path/scene."""

    def run(*overrides: str) -> int:
        return label(
            [
                "--config",
                str(COOKBOOK / "auto_labeling/auto_labeling_config.yaml"),
                f"data.0.inputs.video_path={clip}",
                f"data.0.output.out_dir={tmp_path}/scene",
                f"endpoints.vlm.url={model_url}",
                f"endpoints.llm.url={model_url}",
                "mcq_generation.window_metadata_extraction.window_frames=12",
                *overrides,
            ]
        )

    return run
