"""`vda release`, `vda release push`, `vda release open` and `vda trace`: accepted clips with their labels in trainers'
formats, where they go from there, and the way back from one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

import click

from vda_assets.base.counted import counted
from vda_assets.cli.completing import complete_dataset
from vda_assets.cli.dagster_home import dagster_instance
from vda_assets.cli.showing import show
from vda_assets.cli.world import dataset_and_deployment, dataset_option, load
from vda_assets.datasets.clips import list_clips
from vda_assets.outcomes.verdict import Verdict
from vda_assets.project import Project, Scope
from vda_assets.publishing.finished import Finished, find_finished
from vda_assets.publishing.to_storage import push_to_storage
from vda_assets.publishing.trace import trace as trace_file
from vda_assets.publishing.viewing import open_in_fiftyone
from vda_assets.releases.choosing import RELEASABLE, Wanted
from vda_assets.releases.release import Draft, Released, draft
from vda_assets.releases.release import release as make
from vda_assets.storage.access import Storage
from vda_assets.storage.url import FILE_SCHEME, StorageUrl

_COPIES_FOLDER = Path("media/vda/releases")
_finished_option = click.option("--version", metavar="NAME", help="Which release; without it the last one.")


@click.group(invoke_without_command=True)
@click.option("--dataset", "dataset_name", metavar="NAME", help="A dataset's name.", shell_complete=complete_dataset)
@click.option("--version", metavar="NAME", help="What the release is called; without it, after its content.")
@click.option(
    "--verdict",
    "verdicts",
    multiple=True,
    type=click.Choice([verdict.value for verdict in RELEASABLE]),
    help="Release degraded outputs besides the accepted ones. May be repeated.",
)
@click.option("--where", multiple=True, metavar="VARIABLE=VALUE", help="Only augmented clips that were drawn so.")
@click.option("--with-stand-ins", is_flag=True, help="Stand-ins' outputs too, for a trial: not for training.")
@click.option("--dry-run", is_flag=True, help="Only say what would be released, what not and why, and what it covers.")
@click.pass_context
def release(
    context: click.Context,
    dataset_name: str | None,
    version: str | None,
    verdicts: tuple[str, ...],
    where: tuple[str, ...],
    with_stand_ins: bool,
    dry_run: bool,
) -> None:
    """Write accepted clips with their labels to <storage_url>/releases/NAME/VERSION/, in the formats of trainers.

    A version never changes; CURRENT beside them names the last. Killed, the same command finishes it.

    \b
    Examples:
      vda release --dataset street --dry-run
      vda release --dataset street --version 2026-11 --verdict degraded
      vda release --dataset street --where weather=rain --where time_of_day=evening
      vda release push --dataset street --to team/street
    """
    if context.invoked_subcommand:
        if any(context.params.values()):
            name = context.invoked_subcommand
            raise click.UsageError(f"options of `vda release {name}` stand behind its name: vda release {name} --help")
        return
    if dataset_name is None:
        raise click.MissingParameter(ctx=context, param=context.command.params[0])
    project = load()
    dataset, deployment = dataset_and_deployment(project, dataset_name)
    scope, storage = project.scope_of(dataset), project.storage_of(deployment, os.environ)
    wanted = Wanted(frozenset(map(Verdict, verdicts)), _values(where, scope), with_stand_ins, dataset.verdicts)
    drafted, released = _made(project, scope, storage, wanted, version=version, dry_run=dry_run)
    if released is None:
        _show_draft(drafted)
        return
    for note in released.notes:
        click.echo(note, err=True)
    splits = ", ".join(f"{count} {split}" for split, count in released.counts["splits"].items())
    videos, clips = counted(released.counts["videos"], "video"), counted(released.counts["sources"], "clip")
    there = " (it was there already)" if released.was_there else ""
    click.echo(f"{videos} of {clips}: {splits}{there}", err=True)
    click.echo(str(released.url))


@release.command()
@dataset_option
@_finished_option
@click.option(
    "--to", required=True, metavar="OWNER/NAME|URL", help="A dataset repository of Hugging Face, or a folder."
)
@click.option("--public", is_flag=True, help="Everybody may see the repository. Without it, it must be private.")
def push(dataset_name: str, version: str | None, to: str, public: bool) -> None:
    """Copy a release to a dataset repository on the Hugging Face hub, or to another bucket or folder.

    Every file is checked against SHA256SUMS on its way, and the manifest comes last. Killed, the same command goes on
    where it was. HF_TOKEN must be allowed to write to the repository.

    \b
    Examples:
      vda release push --dataset street --to team/street
      vda release push --dataset street --version 2026-11 --to s3://partner/releases/street
    """
    from vda_assets.publishing.hub import repository_name

    repository = repository_name(to)
    if not repository and "://" not in to:
        raise click.UsageError(
            f"--to {to!r} is neither OWNER/NAME of Hugging Face nor a URL such as s3://bucket/folder"
        )
    if public and not repository:
        raise click.UsageError("--public is for a repository of Hugging Face; who reads a bucket, its owner decides")
    found = _finished(dataset_name, version)
    if repository:
        place, is_new = _push_to_hub(found, repository, public=public)
    else:
        url = StorageUrl.parse(to)
        place, is_new = str(url / found.version), push_to_storage(found, _storage_of(url), url, log=_tell)
    _tell(f"{dataset_name} {found.version}{'' if is_new else ' (it was there already)'}")
    click.echo(place)


@release.command("open")
@dataset_option
@_finished_option
def open_release(dataset_name: str, version: str | None) -> None:
    """Show a release in FiftyOne, with its boxes and tracks. FiftyOne must be installed: pip install fiftyone.

    What does not lie on this machine is brought to media/vda/releases/NAME/VERSION/ first.

    Example: vda release open --dataset street
    """
    found = _finished(dataset_name, version)
    copies = (_COPIES_FOLDER / dataset_name / found.version).absolute()
    open_in_fiftyone(found, f"{dataset_name}-{found.version}", copies=copies, log=_tell)


@click.command()
@click.argument("file")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def trace(file: str, as_json: bool) -> None:
    """Say of a released FILE, by its path or URL, which clip, run, workflow, cookbook, image and draw it comes from.

    The release alone is read, so that it works on a copy too.

    Example: vda trace s3://clips/releases/yard/2026-11/videos/train/gate-1f3c9a2b-aug0.mp4
    """
    url = StorageUrl.parse(file if "://" in file else f"{FILE_SCHEME}://{Path(file).resolve()}")
    row = trace_file(_storage_of(url), url)
    if as_json:
        click.echo(json.dumps(row, indent=1, ensure_ascii=False))
        return
    show(["what", "value"], [[name, _text(value)] for name, value in row.items() if value not in (None, [])])


def _finished(dataset_name: str, version: str | None) -> Finished:
    project = load()
    dataset, deployment = dataset_and_deployment(project, dataset_name)
    return find_finished(project.storage_of(deployment, os.environ), dataset.storage_url, dataset.name, version)


def _push_to_hub(found: Finished, name: str, *, public: bool) -> tuple[str, bool]:
    """Where it is, and whether it was not yet."""
    from vda_assets.publishing.hub import HubRepository
    from vda_assets.publishing.to_hub import push_to_hub
    from vda_assets.readiness.secrets import find_secrets

    token = find_secrets(os.environ).hf_token
    if token is None:
        raise click.UsageError(f"set HF_TOKEN to a token of huggingface.co that may write to {name}: none is here")
    repository = HubRepository(name, token=token.reveal(), log=_tell)
    return str(repository), push_to_hub(found, repository, public=public, log=_tell)


def _tell(line: str) -> None:
    click.echo(line, err=True)


def _made(
    project: Project, scope: Scope, storage: Storage, wanted: Wanted, *, version: str | None, dry_run: bool
) -> tuple[Draft, Released | None]:
    from vda_assets.runs.releasing import candidates, order_of, record_release

    clips = list_clips(storage, scope.dataset.dataset_url).clips
    with dagster_instance(project) as instance:
        drafted = draft(storage, candidates(instance, scope, clips), order_of(scope, wanted, version))
        if dry_run:
            return drafted, None
        released = make(storage, drafted, log=_tell)
        record_release(instance, scope.dataset, released)
    return drafted, released


def _show_draft(drafted: Draft) -> None:
    generated = sum(entry.generated for entry in drafted.entries)
    click.echo(f"version {drafted.version}: {len(drafted.entries) - generated} original, {generated} augmented")
    for reason, count in drafted.reasons:
        click.echo(f"left out: {count} x {reason}")
    for line in drafted.coverage:
        click.echo(str(line))


def _values(where: Iterable[str], scope: Scope) -> dict[str, str]:
    """Raises click.UsageError for what the cookbook has no variable or value of."""
    known = scope.cookbook.distribution.variables
    values: dict[str, str] = {}
    for text in where:
        name, separator, value = text.partition("=")
        if not separator or name not in known or value not in known[name]:
            allowed = "; ".join(f"{one}={'|'.join(of)}" for one, of in known.items())
            raise click.UsageError(f"--where {text!r} is none of {allowed}")
        if name in values:
            raise click.UsageError(f"--where names {name} twice, and a clip has one value of it")
        values[name] = value
    return values


def _storage_of(url: StorageUrl) -> Storage:
    """With the credential of a deployment that has one for the URL; where there is no project, this machine's own."""
    from vda_assets.config.errors import ConfigError

    if url.scheme == FILE_SCHEME:
        return Storage()
    try:
        project = load()
    except ConfigError:
        return Storage()
    for deployment in project.deployments.values():
        if any(profile.profile == url.profile for profile in deployment.storage):
            return project.storage_of(deployment, os.environ)
    return Storage()


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
