"""Checks of a dataset's outputs: what the step `vda` may evaluate, and its evaluations for one clip."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from vda_assets.base.cut import cut_lines
from vda_assets.config.dataset import Dataset
from vda_assets.flows.stages import Stage
from vda_assets.outcomes.verdict import Judgement, parent_verdict
from vda_assets.runs.names import PARENT_VERDICT, REASONS, asset_key

VERDICT_CHECK = "verdict"
LOOK_CHECK = "looks_as_drawn"


def check_specs(dataset: Dataset) -> list[dg.AssetCheckSpec]:
    """Every check of the dataset. Comparisons have none: they are made or they fail."""
    verdicts = [
        dg.AssetCheckSpec(
            VERDICT_CHECK,
            asset=asset_key(dataset, stage),
            description="Whether the clip's output passes the dataset's policy on verdicts.",
        )
        for stage in Stage
    ]
    look = dg.AssetCheckSpec(
        LOOK_CHECK,
        asset=asset_key(dataset, Stage.AUGMENTED_LABELS),
        description="Whether the labels of the augmented clip answer what was drawn for it.",
    )
    return [*verdicts, look]


def stage_checks(
    key: dg.AssetKey, partition: str, judgements: Sequence[Judgement], *, flagged: bool
) -> list[dg.AssetCheckEvaluation]:
    """The clip's verdict, and for augmented labels whether they say what was drawn, as checks of its partition.

    `flagged`: the dataset's policy flags the verdict, or that of the clip that is labelled.
    """
    reasons = [reason for one in judgements for reason in one.reasons]
    parent = parent_verdict(judgements)
    told = {PARENT_VERDICT: dg.MetadataValue.text(parent.value)} if parent else {}
    checks = [_evaluation(key, VERDICT_CHECK, partition, not flagged, reasons, **told)]
    if key.path[-1] == Stage.AUGMENTED_LABELS:
        doubts = [doubt for one in judgements for doubt in one.doubts]
        checks.append(_evaluation(key, LOOK_CHECK, partition, not doubts, doubts))
    return checks


def _evaluation(
    key: dg.AssetKey, name: str, partition: str, passed: bool, reasons: Sequence[str], **told: dg.MetadataValue[Any]
) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=name,
        partition=partition,
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={REASONS: dg.MetadataValue.text("; ".join(cut_lines(reasons)) or "-"), **told},
    )
