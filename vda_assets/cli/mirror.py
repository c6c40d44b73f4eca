"""`vda mirror`: a run's results and the clips that it was made from, mirrored to this machine."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import click

from vda_assets.base.cut import cut
from vda_assets.base.likely import likely
from vda_assets.base.parallel import in_order
from vda_assets.cli.completing import complete_output
from vda_assets.cli.copying import finish, show
from vda_assets.cli.world import dataset_and_deployment, dataset_option, load, video_option
from vda_assets.config.errors import BadConfigFile
from vda_assets.config.yaml_file import parse_yaml
from vda_assets.datasets.clips import CLIP_EXTENSIONS, key_of, video_of
from vda_assets.flows.selection import output_named
from vda_assets.flows.stages import OUTPUTS, Output, Rendered, Stage
from vda_assets.outcomes.marker import OutputMissing, read_marker
from vda_assets.storage.access import Storage
from vda_assets.storage.errors import BadClipName, BadStorageUrl, ObjectUnusable
from vda_assets.storage.layout import OUTCOME_FILE, RunLayout
from vda_assets.storage.objects import StoredObject
from vda_assets.storage.transfer import Copy, NotCopied, mirror, only_one
from vda_assets.storage.url import StorageUrl

_MANIFEST = "configs/manifest.yaml"
MEDIA_FOLDER = Path("media/vda/runs")
_RUN_ID = re.compile(r"run-[0-9a-f]{8}")
_READS_AT_ONCE = 8
# Of a run of 100,000 clips.
_MANIFEST_NODES = 2_000_000
_LOOKED_AT = {*CLIP_EXTENSIONS, ".webp", ".png"}


@click.command("mirror")
@dataset_option
@click.option("--run-id", required=True, metavar="RUN", help="A run's folder: run- and eight hex digits.")
@video_option
@click.option(
    "--select",
    "outputs",
    multiple=True,
    metavar="OUTPUT",
    shell_complete=complete_output,
    help=f"Only this output, without setup and clips: {', '.join(OUTPUTS)}. May be repeated.",
)
def mirror_run(dataset_name: str, run_id: str, videos: tuple[str, ...], outputs: tuple[str, ...]) -> None:
    """Mirror a run's outputs and its input clips to media/vda/runs/RUN/, the clips under input/.

    Prints MEDIA:<absolute path> for every file. Killed, the same command goes on where it was.

    Example: vda mirror --dataset street --run-id run-1a2b3c4d
    """
    if not _RUN_ID.fullmatch(run_id):
        raise click.UsageError(f"--run-id {run_id!r} is no run, such as run-1a2b3c4d")
    project = load()
    dataset, deployment = dataset_and_deployment(project, dataset_name)
    layout = RunLayout(dataset.storage_url, dataset.name, run_id)
    run = _Run(project.storage_of(deployment, os.environ), layout, dataset.dataset_url)
    root = (MEDIA_FOLDER / run_id).absolute()
    chosen, selected = run.chosen(videos), {output_named(name) for name in outputs}
    with only_one(root):
        problems = run.bring(chosen, root, selected)
    finish(problems)


def _output_at(path: str) -> Output | None:
    """Which output a file below a run's root is of, or shows; None for setup and remuxed clips."""
    shown = PurePosixPath(path).stem if path.startswith("display/") else ""
    if shown.endswith("_compare"):
        return Rendered.COMPARISONS
    # The name of one folder ends as that of another does: the longer one is tried first.
    for stage in sorted(Stage, key=lambda one: len(one.row.folder), reverse=True):
        kind = PurePosixPath(stage.row.folder).name
        if path.startswith(f"{stage.row.folder}/") or shown.endswith(f"_{kind}"):
            return stage
    return None


class _Run:
    """What lies in a run's folder. Raises click.ClickException when that is nothing."""

    def __init__(self, storage: Storage, layout: RunLayout, dataset_url: StorageUrl) -> None:
        self._storage, self._layout, self._dataset_url = storage, layout, dataset_url
        self._found = list(storage.walk(layout.root, with_checksums=True))
        if not self._found:
            raise click.ClickException(
                f"there is nothing in {layout.root}; `vda runs --dataset {layout.dataset}` lists the runs"
            )
        self._clip_paths = clips_of_run(storage, layout)
        made = {video for found in self._found if (video := layout.video_at(found.path))}
        self._videos = made | self._clip_paths.keys()

    def chosen(self, names: Sequence[str]) -> set[str]:
        """The videos that were asked for by key, path or name; all of them without any name."""
        chosen = set() if names else set(self._videos)
        for name in names:
            spelled = {name, video_of(name), video_of(key_of(name))} & self._videos
            if not spelled:
                known = ", ".join(sorted(self._videos)[:10])
                run_id = self._layout.run_id
                raise click.UsageError(f"{run_id} has no video {name!r}; it has: {known}{likely(name, self._videos)}")
            chosen |= spelled
        return chosen

    def bring(self, videos: set[str], root: Path, selected: set[Output]) -> list[NotCopied]:
        """Mirrors what belongs to the videos; a marker comes last, after everything that it stands for.

        Of the `selected` outputs alone; all there is when none is.
        """
        if selected:
            self._found = [found for found in self._found if _output_at(found.path) in selected]
        unfinished = self._unfinished(videos)
        problems = [NotCopied(str(self._layout.root / folder), reason) for folder, reason in unfinished.items()]
        files: list[Copy] = []
        markers: list[Copy] = []
        for found in self._found:
            folder = self._layout.output_folder_at(found.path)
            if folder in unfinished or self._layout.video_at(found.path) not in {None, *videos}:
                continue
            try:
                copy = Copy(self._layout.root / found.path, root / found.path, found)
            except BadStorageUrl as error:
                problems.append(NotCopied(f"{self._layout.root}/{found.path}", str(error)))
                continue
            (markers if folder and copy.path.name == OUTCOME_FILE else files).append(copy)
        clips, missing = self._input_clips(videos) if not selected else ([], [])
        files.sort(key=_rank)
        files += [Copy(self._dataset_url / clip.path, root / "input" / clip.path, clip) for clip in clips]
        empty = [copy for copy in files if _is_empty_clip(copy)]
        problems += missing + [NotCopied(str(copy.url), "it has zero bytes") for copy in empty]
        problems += self._mirror([copy for copy in files if copy not in empty], root)
        spoilt = {problem.subject.rpartition("/")[0] for problem in problems}
        whole = [copy for copy in markers if not any(one.startswith(str(copy.url.parent)) for one in spoilt)]
        return problems + self._mirror(whole, root)

    def _mirror(self, copies: Sequence[Copy], root: Path) -> list[NotCopied]:
        total_bytes = sum(copy.stored.size_bytes for copy in copies if copy.stored)
        results = mirror(self._storage, copies, root=root)
        return show(results, total_bytes=total_bytes, line=lambda done: f"MEDIA:{done.copy.path}")

    def _unfinished(self, videos: set[str]) -> dict[str, str]:
        """Output folders that nobody may take for whole, and why."""
        paths = [found.path for found in self._found if self._layout.video_at(found.path) in videos]
        folders = sorted({folder for path in paths if (folder := self._layout.output_folder_at(path))})

        def reason(folder: str) -> str | None:
            try:
                read_marker(self._storage, self._layout.root / folder)
            except OutputMissing as error:
                return str(error)
            return None

        reasons = in_order(reason, folders, threads=_READS_AT_ONCE)
        return {folder: why for folder, why in zip(folders, reasons, strict=True) if why}

    def _input_clips(self, videos: set[str]) -> tuple[list[StoredObject], list[NotCopied]]:
        """The clips, by their path below the dataset; a run that only compared has no manifest to name them."""
        clips = {video: found for video in videos & self._clip_paths.keys() if (found := self._clip(video))}
        unnamed = videos - self._clip_paths.keys()
        if unnamed:
            clips |= {video: found for video, found in self._dataset_clips() if video in unnamed}
        problems = [
            NotCopied(
                str(self._dataset_url / self._clip_paths.get(video, video)), "the input clip is not there any more"
            )
            for video in sorted(videos - clips.keys())
        ]
        return list(clips.values()), problems

    def _clip(self, video: str) -> StoredObject | None:
        path = self._clip_paths[video]
        try:
            return self._storage.info(self._dataset_url / path, with_checksum=True)._replace(path=path)
        except FileNotFoundError:
            return None

    def _dataset_clips(self) -> Iterator[tuple[str, StoredObject]]:
        for found in self._storage.walk(self._dataset_url, with_checksums=True):
            if Path(found.path).suffix.lower() in CLIP_EXTENSIONS:
                try:
                    yield video_of(key_of(found.path)), found
                except BadClipName:
                    continue


def clips_of_run(storage: Storage, layout: RunLayout) -> dict[str, str]:
    """Video -> path of its clip below the dataset, as the run's setup says; empty without one.

    Raises click.ClickException for one that cannot be read.
    """
    url = layout.setup / _MANIFEST
    try:
        content = parse_yaml(Path(_MANIFEST), storage.read_bytes(url), most_nodes=_MANIFEST_NODES)
        clips = {str(entry["video_name"]): str(entry["video"]) for entry in content["configs"]}
        for path in clips.values():
            layout.root / path
    except FileNotFoundError:
        return {}
    except (BadConfigFile, ObjectUnusable, BadStorageUrl, TypeError, LookupError) as error:
        raise click.ClickException(f"{url} names no clips: {cut(error)}; the run's setup was overwritten") from None
    return clips


def _rank(copy: Copy) -> tuple[bool, bool]:
    """What is to be looked at comes first, comparisons before all."""
    return "_compare." not in copy.path.name, copy.path.suffix.lower() not in _LOOKED_AT


def _is_empty_clip(copy: Copy) -> bool:
    assert copy.stored is not None
    return copy.stored.size_bytes == 0 and copy.path.suffix.lower() in CLIP_EXTENSIONS
