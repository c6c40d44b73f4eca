"""What Dagster 1.13 has but does not promise to keep: every such thing that we use is reached through this module.

`vda_assets_tests/dagster_defs/test_private.py` fails when an upgrade has changed one of them, and says what to check.
"""

from collections.abc import Callable, Sequence

import dagster as dg

# Tags of a materialization or observation: Dagster exports no constants for them.
DATA_VERSION_TAG = "dagster/data_version"
# Tags of a run of several partitions; which partitions lie between the two is decided when the run starts.
RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"


def listen(instance: dg.DagsterInstance, run_id: str, heard: Callable[[dg.EventLogEntry], None]) -> None:
    """Calls `heard` with each entry that this process adds to the run's event log, as it is added."""
    instance.add_event_listener(run_id, heard)


def run_group(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Sequence[dg.DagsterRun]:
    """The run, and all runs that are retries of the same root run."""
    group = instance.get_run_group(run.run_id)
    return group[1] if group else [run]
