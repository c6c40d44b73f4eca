"""The metrics that Prometheus is given, each with its labels and what it says; all of one registry.

Labels are names of the configuration, of Dagster and of OSMO, and kinds from tables: never a clip, a run or a text.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

_SECONDS = (1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400)
_MOST_SEEN = 20_000
_TICK_SECONDS = (0.1, 0.3, 1, 3, 10, 20, 30, 60)


class Metrics:
    """Counters and histograms count from when they were made; a gauge has what was seen last."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        gauge, counter = partial(Gauge, registry=self._registry), partial(Counter, registry=self._registry)
        seconds = partial(Histogram, registry=self._registry, buckets=_SECONDS)

        source = ["source", "name"]
        self.up = gauge("vda_up", "1 when the source was read in time for this scrape", source)
        self.source_seconds = gauge("vda_source_seconds", "How long the source took to be read", source)

        self.workflows = gauge("vda_workflows", "Workflows on the pool", ["deployment", "dataset", "status"])
        self.most_workflows = gauge("vda_max_in_flight", "Workflows that may be on the pool", ["deployment"])
        self.tasks = gauge("vda_tasks", "Tasks that have not ended", ["deployment", "stage", "status"])
        self.gpus = gauge("vda_gpus", "GPUs that running tasks have", ["deployment", "stage"])
        of_dataset, of_output = ["deployment", "dataset"], ["dataset", "output"]
        self.dispatch = seconds("vda_dispatch_seconds", "From the request of a run to a workflow", of_dataset)
        self.queue = seconds("vda_queue_seconds", "From when the pool alone was waited for to the start", of_output)
        self.run = seconds("vda_run_seconds", "From the first start to the last end of a stage's tasks", of_output)

        self.outputs = counter("vda_outputs", "Outputs that were made, or failed", [*of_output, "verdict"])
        self.failures = counter("vda_failures", "Outputs that failed", [*of_output, "kind"])
        self.quarantined = counter("vda_quarantined", "Outputs that failed alike too often to go on", of_output)
        self.gpu_seconds = counter("vda_gpu_seconds", "GPU seconds of tasks that ended", of_output)

        self.runs = gauge("vda_runs_going", "Dagster runs that have not ended", ["dataset", "status"])
        self.ended_runs = counter("vda_runs", "Dagster runs that ended", ["dataset", "status"])
        self.ticks = counter("vda_ticks", "Ticks of sensors and schedules that ended", ["name", "status"])
        self.tick = Histogram(
            "vda_tick_seconds", "How long a tick took", ["name"], registry=self._registry, buckets=_TICK_SECONDS
        )
        self.tick_age = gauge("vda_tick_age_seconds", "Since the newest tick of a sensor that runs", ["name"])
        self.daemon_age = gauge("vda_daemon_age_seconds", "Since the daemon's newest sign of life", ["daemon"])

    def page(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)


class Seen:
    """What was counted already, as much of it as can come up once more."""

    def __init__(self) -> None:
        self._things: dict[Hashable, None] = {}

    def is_new(self, thing: Hashable) -> bool:
        """Whether it was not asked about before."""
        if thing in self._things:
            return False
        self._things[thing] = None
        if len(self._things) > _MOST_SEEN:
            del self._things[next(iter(self._things))]
        return True
