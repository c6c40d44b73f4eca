"""What the definitions of the shipped configuration are, as text, so that a change of them is seen in a diff.

When a change is meant:  python -m vda_assets_tests.dagster_defs.snapshot
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from vda_assets.dagster_defs.build import build_definitions
from vda_assets.project import load_project

FILE = Path(__file__).parent / "definitions.yaml"
REPOSITORY = Path(__file__).parents[2]


def taken() -> str:
    project = load_project({"VDA_ASSETS_CFG": str(REPOSITORY / "assets_cfg"), "VDA_HOME": "/home/of/the/world"})
    definitions = build_definitions(project)
    graph = definitions.resolve_asset_graph()
    content = {
        "assets": {key.to_user_string(): _asset(graph.get(key)) for key in graph.get_all_asset_keys()},
        "checks": sorted(check.to_user_string() for check in graph.asset_check_keys),
        "jobs": {job.name: _job(job) for job in definitions.resolve_all_job_defs() if not job.name.startswith("__")},
        "sensors": {sensor.name: _sensor(sensor) for sensor in definitions.sensors or ()},
        "schedules": sorted(schedule.name for schedule in definitions.schedules or ()),
        "resources": {key: type(resource).__name__ for key, resource in (definitions.resources or {}).items()},
    }
    return yaml.safe_dump(content, width=120, default_flow_style=None)


def _asset(node: Any) -> dict[str, Any]:
    facts = {
        "deps": sorted(key.to_user_string() for key in node.parent_keys),
        "group": node.group_name,
        "kinds": sorted(node.kinds),
        "partitions": node.partitions_def and node.partitions_def.name,
        "partitions_per_run": node.backfill_policy and node.backfill_policy.max_partitions_per_run,
        "pools": sorted(node.pools or ()),
        "tags": {tag: value for tag, value in node.tags.items() if not tag.startswith("dagster/kind/")},
    }
    return {name: fact for name, fact in facts.items() if fact}


def _job(job: dg.JobDefinition) -> dict[str, Any]:
    return {
        "assets": sorted(key.to_user_string() for key in job.asset_layer.selected_asset_keys),
        "tags": dict(job.tags),
        "steps": [node.name for node in job.nodes],
    }


def _sensor(sensor: dg.SensorDefinition) -> dict[str, Any]:
    return {
        "type": sensor.sensor_type.value,
        "status": sensor.default_status.value,
        "seconds": sensor.minimum_interval_seconds,
    }


if __name__ == "__main__":
    FILE.write_text(taken())
