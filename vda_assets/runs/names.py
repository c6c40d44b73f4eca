"""Asset keys, and the metadata keys with the one type that each has."""

import dagster as dg

from vda_assets.config.dataset import Dataset
from vda_assets.config.deployment import Deployment
from vda_assets.config.names import slug_of
from vda_assets.flows.stages import Output

SOURCE_VIDEOS = "source_videos"
REPORT = "report"
BROKEN = "broken_configuration"

CLIPS = "clips"  # key of the config of a run of any clips: their keys
ARRIVAL = "vda/arrival"  # tag of a run that an upload asked for: its dataset
DATASET_TAG, FLOW_TAG = "dataset", "vda/flow"  # tags of a run that makes outputs, where they are known beforehand
EXPECTED = "vda/expected"  # tag of a run: how long it was expected to take

RUN_ID = "run_id"  # text: which run's folder holds the output
VERDICT = "verdict"  # text: accepted, rejected, degraded, unverified
VARIABLE_RATE = "variable_frame_rate"  # bool: of the clip that is labelled; only where it is so
PARENT_VERDICT = "parent_verdict"  # text: the verdict of the augmented clip, on the labels of it
REASONS = "reasons"  # text
DOUBTS = "doubts"  # text: answers that do not fit what was drawn
FAILURE = "failure"  # text: why an output could not be made, on the observation of its clip
FAILED_ALIKE = "failed_alike"  # int: how often in a row it failed like that, 0 when the cause lay elsewhere
REUSED = "reused"  # bool: finished before this run
IMAGE = "image"  # text: of the container, with the digest that its tag had, where the registry told one
ORIGIN = "origin"  # text: repository and commit of clips that a command has fetched
STAND_IN = "stand_in"  # bool: made by a CPU stand-in
SAMPLED_VARS = "sampled_vars"  # JSON: augmentation index -> variable -> value
PARTS = "made_from"  # JSON: what decided the output, by name
WORKFLOW = "workflow"  # text: OSMO's id
SUMMARY = "summary"  # markdown
LABEL_COUNTS = "label_counts"  # JSON: of each label scene of a clip its frames and its objects by class
VIDEO = "video"  # url: where a browser plays it, when the deployment names a media_url
LOOK = "look"  # markdown with a small moving picture of the output, when the deployment names a media_url
MEDIA = "media"  # JSON: where the videos and pictures of an output lie, what is to be looked at first first
PREVIEW = "preview"  # markdown with a small picture
SIZE_BYTES = "size_bytes"  # int
FILES = "files"  # int
SECONDS = "seconds"  # float: of the container
FRAMES = "frames"  # int
GPU_SECONDS = "gpu_seconds"  # float: seconds x GPUs of all tasks and tries of the stage
QUEUE_SECONDS = "queue_seconds"  # float: from when nothing but the pool was waited for to the first start, last try
RUN_SECONDS = "run_seconds"  # float: from the first start to the last end of the stage's tasks, last try
TRIES = "tries"  # int: submissions of the stage in the run that holds it, and OSMO's own retries
ATTEMPTS = "attempts"  # int: how often the clip was augmented, each time with another seed; only where more than once
COST = "cost"  # float: of the GPU seconds, in the deployment's currency
CURRENCY = "currency"  # text: three letters
CLIP_COUNT = "clips"  # int: how many a report tells of
REPORT_LINK = "page"  # url: where a browser finds a report, when the deployment names a media_url
URI = "dagster/uri"

IO_MANAGER = "vda_io"  # of all datasets


def asset_key(dataset: Dataset, name: str | Output) -> dg.AssetKey:
    return dg.AssetKey([dataset.slug, str(name)])


def run_id_of(run: dg.DagsterRun) -> str:
    """`run-` and 8 hex digits of the root run: a retried run finds its own work again."""
    return f"run-{(run.root_run_id or run.run_id)[:8]}"


def pool_name(deployment_name: str, deployment: Deployment) -> str:
    """The pool whose limit says how many runs dispatch to an OSMO pool at once."""
    return slug_of(f"osmo_{deployment_name}_{deployment.osmo.pool}")


def shared_key(deployment: str, *parts: str) -> dg.AssetKey:
    """Key of an asset that all datasets of a deployment share, such as `local/model_cache/auto_labeling`."""
    return dg.AssetKey([slug_of(deployment), *parts])


def videos_partitions(dataset: Dataset) -> dg.DynamicPartitionsDefinition:
    """The dataset's clips; keys are those of `vda_assets.datasets.clips`."""
    return dg.DynamicPartitionsDefinition(name=f"{dataset.slug}_videos")


def step_name(dataset: Dataset) -> str:
    return f"{dataset.slug}__vda"
