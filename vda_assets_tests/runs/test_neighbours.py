"""What living runs tell each other through Dagster's books."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest

from vda_assets.config.dataset import Dataset
from vda_assets.dispatch.company import Wish
from vda_assets.flows.selection import FLOWS
from vda_assets.runs.neighbours import Neighbours


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@dg.job
def job() -> None: ...


def started(instance: dg.DagsterInstance, dataset: str) -> tuple[str, Neighbours]:
    run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    of = Dataset.model_validate({"url": f"s3://bucket/datasets/{dataset}", "deployment": "local"})
    return run.run_id, Neighbours(instance, run.run_id, dataset=of, selection=FLOWS["e2e"], keys=["a.mp4"])


def wish(run_id: str, *, pool: str = "http://osmo team-a", waiting: int = 3) -> Wish:
    return Wish(run_id, "street", pool, "NORMAL", waiting, served=1.0, told=2.0)


def test_runs_of_all_datasets_hear_what_the_others_last_wanted_of_their_pool(instance: dg.DagsterInstance) -> None:
    (_, street), (_, yard), (_, elsewhere) = (started(instance, name) for name in ("street", "yard", "street"))
    assert street.share(wish("run-1")) == []
    assert yard.share(wish("run-2")) == [wish("run-1")]
    assert elsewhere.share(wish("run-3", pool="http://osmo team-b")) == []
    assert street.share(wish("run-1", waiting=2)) == [wish("run-2")]
    assert yard.share(wish("run-2")) == [wish("run-1", waiting=2)]


def test_a_run_that_ended_or_wants_nothing_yet_is_not_heard(instance: dg.DagsterInstance) -> None:
    (ended, street), (_, yard), _ = (started(instance, name) for name in ("street", "yard", "street"))
    street.share(wish("run-1"))
    instance.report_run_failed(instance.get_run_by_id(ended))
    assert yard.share(wish("run-2")) == []


def test_a_wish_leaves_the_clips_alone_that_a_run_works_on(instance: dg.DagsterInstance) -> None:
    (_, first), (_, second) = started(instance, "street"), started(instance, "street")
    first.share(wish("run-1"))
    assert second.ahead(["a.mp4", "b.mp4"]) == {"a.mp4"}
    first.work_on([])
    assert second.ahead(["a.mp4", "b.mp4"]) == frozenset()
    assert second.share(wish("run-2")) == [wish("run-1")]
