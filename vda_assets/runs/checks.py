"""Checks of a dataset's outputs: one look at all clips, so that a card is not green while a clip on it is bad.

An evaluation for one partition would be counted alone: Dagster 1.13 shows the last clip's as the asset's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator

import dagster as dg

from vda_assets.base.counted import counted
from vda_assets.base.cut import cut
from vda_assets.config.dataset import Dataset
from vda_assets.flows.stages import OUTPUTS, Output, Stage
from vda_assets.runs.names import FAILURE, REASONS, asset_key, videos_partitions
from vda_assets.runs.recording.finished import newest_records, text_of
from vda_assets.runs.standing import OutputBooks, Stand, Word
from vda_assets.runs.tables import table

CLIPS_CHECK = "clips"
LOOK_CHECK = "looks_as_drawn"
# So many clips that do not pass are listed with their reasons; `vda status` lists all.
_LISTED = 50
_UNMADE = frozenset({Stand.FAILED, Stand.QUARANTINED})


def check_specs(dataset: Dataset) -> list[dg.AssetCheckSpec]:
    """Every check of the dataset."""
    clips = [
        dg.AssetCheckSpec(
            CLIPS_CHECK,
            asset=asset_key(dataset, output),
            description="Whether every clip of the dataset passes its policy on verdicts, and none failed.",
        )
        for output in OUTPUTS
    ]
    look = dg.AssetCheckSpec(
        LOOK_CHECK,
        asset=asset_key(dataset, Stage.AUGMENTED_LABELS),
        description="Whether the labels of every augmented clip answer what was drawn for it.",
    )
    return [*clips, look]


def evaluations(
    instance: dg.DagsterInstance, dataset: Dataset, outputs: Iterable[Output]
) -> Iterator[dg.AssetCheckEvaluation]:
    """The checks of these outputs, from Dagster's books alone."""
    partitions = videos_partitions(dataset).name
    assert partitions is not None
    clips = instance.get_dynamic_partitions(partitions)
    for output in outputs:
        books = OutputBooks(instance, dataset, output)
        words = {key: books.word(key) for key in clips}
        yield _of_clips(instance, dataset, output, words)
        if output is Stage.AUGMENTED_LABELS:
            yield _of_looks(dataset, words)


def _of_clips(
    instance: dg.DagsterInstance, dataset: Dataset, output: Output, words: dict[str, Word]
) -> dg.AssetCheckEvaluation:
    counts = Counter(word.said for word in words.values())
    bad = [key for key, word in words.items() if not _passes(dataset, word)]
    unmade = sum(counts[stand] for stand in _UNMADE)
    return dg.AssetCheckEvaluation(
        asset_key=asset_key(dataset, output),
        check_name=CLIPS_CHECK,
        passed=not bad,
        # The card takes its colour from the severity, of what passes too.
        severity=dg.AssetCheckSeverity.ERROR if unmade else dg.AssetCheckSeverity.WARN,
        description=f"{counted(len(words), 'clip')}: "
        + ", ".join(f"{count} {said}" for said, count in counts.most_common()),
        metadata={
            **{str(said): dg.MetadataValue.int(count) for said, count in sorted(counts.items())},
            **({"not passed": _listed(instance, dataset, output, bad, words)} if bad else {}),
        },
    )


def _passes(dataset: Dataset, word: Word) -> bool:
    """What is missing is no fault: the card says itself how much of it there is."""
    if word.stand is not Stand.MADE:
        return word.stand not in _UNMADE
    # Labels are worth no more than the clip that they are of.
    verdicts = filter(None, (word.made.verdict, word.made.parent))
    return all(dataset.verdicts.treatment(verdict) == "pass" for verdict in verdicts)


def _of_looks(dataset: Dataset, words: dict[str, Word]) -> dg.AssetCheckEvaluation:
    doubted = sorted(key for key, word in words.items() if word.made.has_doubts)
    made = sum(word.stand is Stand.MADE for word in words.values())
    return dg.AssetCheckEvaluation(
        asset_key=asset_key(dataset, Stage.AUGMENTED_LABELS),
        check_name=LOOK_CHECK,
        passed=not doubted,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"answers that do not fit what was drawn: {len(doubted)} of {counted(made, 'clip')}",
        metadata={"clips": dg.MetadataValue.text(cut(", ".join(doubted)) or "-")},
    )


def _listed(
    instance: dg.DagsterInstance, dataset: Dataset, output: Output, bad: Collection[str], words: dict[str, Word]
) -> dg.TableMetadataValue:
    key, clips = asset_key(dataset, output), sorted(bad)[:_LISTED]
    made = newest_records(instance.fetch_materializations, key, clips)
    failed = newest_records(instance.fetch_observations, key, clips)

    def reason(clip: str) -> str:
        if words[clip].stand in _UNMADE:
            observation = failed[clip].asset_observation if clip in failed else None
            value = observation.metadata.get(FAILURE) if observation else None
            return str(value.value).splitlines()[0] if value is not None else ""
        materialization = made[clip].asset_materialization if clip in made else None
        return text_of(materialization, REASONS) if materialization else ""

    rows = [(clip, words[clip].said, cut(reason(clip))) for clip in clips]
    more = [(f"and {len(bad) - len(clips)} more", "", "")] if len(bad) > len(clips) else []
    return table(("clip", "state", "reason"), [*rows, *more])
