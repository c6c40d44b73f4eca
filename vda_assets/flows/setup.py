"""A run's setup folder: worker, environment, cookbook and one config per augmentation, written through storage.

It has the layout that the reference's setup task has, and holds only what the run's own clips need.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from re import escape
from typing import Any

import yaml

from vda_assets.base.parallel import as_they_come
from vda_assets.config.deployment import Container, Endpoints, Images, Role
from vda_assets.cookbooks.cookbook import AUTO_LABELING_CONFIG, Cookbook
from vda_assets.cookbooks.draw import Draw
from vda_assets.flows.worker_files import worker_files
from vda_assets.paidf.generate import augmentation_config, auto_labeling_config, known_version
from vda_assets.storage.access import Storage
from vda_assets.storage.layout import RunLayout

_WRITES_AT_ONCE = 16


def setup_files(
    draws: Mapping[str, Iterable[Draw]],
    *,
    cookbook: Cookbook,
    endpoints: Endpoints,
    super_resolution: bool,
    images: Images = Images(),  # noqa: B008 - a frozen value
) -> dict[str, bytes]:
    """Path below `setup_b0/` -> content. `draws` are the run's draws by the clip's path under the dataset.

    Raises BadConfigFile when the cookbook holds keys or values that the containers of `images` do not have.
    """
    environment = environment_file(endpoints, super_resolution=super_resolution, images=images)
    files = {
        **worker_files(),
        ".env": environment,
        "runtime.env": environment,
    }
    files.update({f"configs/{path}": content for path, content in cookbook.files.items()})
    files[f"configs/{AUTO_LABELING_CONFIG}"] = _dump(auto_labeling_config(cookbook, endpoints=endpoints))
    entries = []
    for clip_path, draws_of_clip in draws.items():
        for draw in draws_of_clip:
            config = f"{draw.name}.yaml"
            files[f"configs/{config}"] = _dump(augmentation_config(cookbook, draw, endpoints=endpoints, images=images))
            entries.append(
                {
                    "video": clip_path,
                    "video_name": draw.video,
                    "aug_idx": draw.index,
                    "config": config,
                    "sampled_vars": dict(draw.sampled_vars),
                }
            )
    files["configs/manifest.yaml"] = _dump({"configs": entries, "total": len(entries)})
    return files


def files_for(draw: Draw | None) -> str:
    """The expression by which OSMO chooses what one worker downloads of the setup: nothing that grows with the run.

    OSMO 6.4 matches it with `re.match` against a file's path below `setup_b0/`. Workers that label need no draw.
    """
    own = rf"(?!{escape(draw.name)}\.yaml$)" if draw else ""
    return rf"(?!configs/({own}[^/]*_aug\d+(_try\d+)?|manifest)\.yaml$)"


def environment_file(endpoints: Endpoints, *, super_resolution: bool, images: Images) -> bytes:
    """The `.env` that every worker loads; it holds no secret, but the names of the variables that do."""
    versions = {container: known_version(images, container) for container in Container}
    values = {
        "ACCEPT_EULA": "Y",
        "UV_NO_SYNC": "1",
        "DOWNLOAD_REID": "false",
        "WAIT_FOR_VLM": "1",
        "WAIT_FOR_LLM": "1",
        "LLM_MODEL_STATIC": "",
        "VLM_MODEL": endpoints.vlm.model,
        "VLM_ENDPOINT": endpoints.vlm.url,
        "VLM_ENDPOINT_MODEL": endpoints.vlm.model,
        "LLM_ENDPOINT": endpoints.llm.url,
        "LLM_ENDPOINT_MODEL": endpoints.llm.model,
        "PAIDF_AUGMENTATION_VERSION": versions[Container.AUGMENTATION].version,
        **{f"PAIDF_{container.upper()}_HOME": version.home for container, version in versions.items()},
        **{
            f"{role.upper()}_API_KEY_ENV": endpoint.api_key_env
            for role, endpoint in ((Role.VLM, endpoints.vlm), (Role.LLM, endpoints.llm))
            if endpoint.api_key_env
        },
        "SUPER_RESOLUTION_ENABLED": str(super_resolution).lower(),
    }
    return "".join(f"{name}={value}\n" for name, value in values.items()).encode()


def write_setup(storage: Storage, layout: RunLayout, files: Mapping[str, bytes]) -> None:
    """Writes all files in parallel; the same files again change nothing, so a retried run may write them again."""

    def write(file: tuple[str, bytes]) -> None:
        path, content = file
        storage.write_bytes(layout.setup / path, content)

    for _ in as_they_come(write, files.items(), threads=_WRITES_AT_ONCE):
        pass


def _dump(content: Any) -> bytes:
    return yaml.dump(content, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True).encode()
