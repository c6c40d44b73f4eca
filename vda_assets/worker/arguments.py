"""What OSMO's task hands to its worker."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

CONTAINERS = ("augmentation", "auto_labeling")


@dataclass(frozen=True)
class Arguments:
    container: str
    setup: Path
    clip: Path
    clip_file: str | None
    model_cache: Path | None
    name: str
    output: Path
    work: str
    attempt: int
    image: str | None
    super_resolution: bool
    rank: int
    peers: int
    lead_host: str | None


def parse_arguments(argv: list[str]) -> Arguments:
    def absolute(text: str) -> Path:
        # The container runs in a folder of its own and takes relative paths from there.
        return Path(text).absolute()

    parser = argparse.ArgumentParser(prog="vda_worker")
    parser.add_argument("container", choices=CONTAINERS)
    parser.add_argument("--setup", type=absolute, required=True, help="folder of the run's setup")
    parser.add_argument("--clip", type=absolute, required=True, help="folder that holds the clip")
    parser.add_argument("--clip-file", help="which file below it; the only clip when not given")
    parser.add_argument("--model-cache", type=absolute, help="folder of weights; not given where no model is run")
    parser.add_argument("--name", required=True, help="name of the result: <video> or <video>_aug<i>")
    parser.add_argument(
        "--output", type=absolute, required=True, help="folder of this task's own; emptied at the start"
    )
    parser.add_argument("--work", required=True, help="hash of the work, carried into outcome.json")
    parser.add_argument("--attempt", type=int, required=True)
    parser.add_argument("--image", help="the container's image, carried into outcome.json")
    parser.add_argument("--super-resolution", action="store_true")
    parser.add_argument("--rank", type=int, default=0)
    parser.add_argument("--peers", type=int, default=1, help="workers of this group that must finish together")
    parser.add_argument("--lead-host", help="where rank 0 listens")
    return Arguments(**vars(parser.parse_args(argv)))
