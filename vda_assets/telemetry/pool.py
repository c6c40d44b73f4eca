"""What an OSMO service says of our workflows: how many are there, what their tasks wait for, how late they came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import islice

from prometheus_client import Gauge

from vda_assets.config.deployment import Deployment
from vda_assets.dispatch.submissions import OURS, run_id_in
from vda_assets.flows.stages import stage_of_task
from vda_assets.flows.workflow import LABEL_DATASET
from vda_assets.osmo.client import OsmoClient
from vda_assets.osmo.models import TaskEntry, WorkflowEntry
from vda_assets.osmo.statuses import TaskStatus, WorkflowStatus, meaning_of
from vda_assets.telemetry.metrics import Metrics, Seen

# Of one look: more than any deployment may have on its pool.
_MOST = 5000
_OPEN = (WorkflowStatus.PENDING, WorkflowStatus.WAITING, WorkflowStatus.RUNNING)
# A rescheduled task's next try has a row of its own.
_ALIVE = [status for status in TaskStatus if not meaning_of(status).ended and status != TaskStatus.RESCHEDULED]


class Pool:
    """Of one deployment. `datasets` are the names of its own, others count as the empty one; `asked` says when the runs
    that go on were asked for. A workflow that comes and goes between two looks is not seen."""

    source = "osmo"

    def __init__(
        self,
        name: str,
        deployment: Deployment,
        datasets: Collection[str],
        *,
        connect: Callable[[], OsmoClient],
        asked: Mapping[str, float],
        metrics: Metrics,
    ) -> None:
        self.name, self._datasets, self._connect = name, datasets, connect
        self._asked, self._metrics = asked, metrics
        self._client: OsmoClient | None = None
        self._submitted = Seen()
        self._begun = False
        metrics.most_workflows.labels(name).set(deployment.osmo.max_in_flight)

    def read(self) -> Callable[[], None]:
        """Asks the service twice, once more per 1,000 workflows or tasks."""
        if self._client is None:
            self._client = self._connect()
        workflows = list(islice(self._client.workflows(name=OURS, statuses=_OPEN), _MOST))
        tasks = list(islice(self._client.tasks(workflow_id=OURS, statuses=_ALIVE), _MOST))
        return lambda: self._tell(workflows, tasks)

    def _tell(self, workflows: Sequence[WorkflowEntry], tasks: Sequence[TaskEntry]) -> None:
        ours = [one for one in workflows if run_id_in(one.name)]
        self.forget()
        self._put(self._metrics.workflows, Counter((self._dataset(one), one.status) for one in ours))
        of_stages = [(stage, one) for one in tasks if (stage := stage_of_task(one.task_name))]
        self._put(self._metrics.tasks, Counter((str(stage), one.status) for stage, one in of_stages))
        gpus: Counter[tuple[str, ...]] = Counter()
        for stage, task in of_stages:
            if task.status == TaskStatus.RUNNING:
                gpus[(str(stage),)] += task.gpu or 0
        self._put(self._metrics.gpus, gpus)
        for one in ours:
            asked = self._asked.get(run_id_in(one.name) or "")
            # What was there before the first look was submitted before anything was counted.
            if self._submitted.is_new(one.name) and self._begun and asked is not None:
                waited = max(0.0, one.submit_time.timestamp() - asked)
                self._metrics.dispatch.labels(self.name, self._dataset(one)).observe(waited)
        self._begun = True

    def forget(self) -> None:
        """What is not known any more is not told."""
        for gauge in (self._metrics.workflows, self._metrics.tasks, self._metrics.gpus):
            gauge.remove_by_labels({"deployment": self.name})

    def _put(self, gauge: Gauge, counts: Mapping[tuple[str, ...], int]) -> None:
        for labels, count in counts.items():
            gauge.labels(self.name, *labels).set(count)

    def _dataset(self, workflow: WorkflowEntry) -> str:
        """Empty for one of another configuration, and on a service without labels."""
        name = workflow.labels.get(LABEL_DATASET, "")
        return name if name in self._datasets else ""
