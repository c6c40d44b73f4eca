"""The dashboard and the example rules ask for nothing but what the exporter serves, by the labels that it has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from vda_assets.telemetry.metrics import Metrics
from vda_assets_tests.end_to_end.world import REPOSITORY

FOLDER = REPOSITORY / "deploy/grafana"
BOARD = json.loads((FOLDER / "vda.json").read_text())
RULES = yaml.safe_load((FOLDER / "rules.yaml").read_text())


def served() -> dict[str, set[str]]:
    """Each sample that there can be, and its labels."""
    found: dict[str, set[str]] = {}
    for one in vars(Metrics()).values():
        for metric in one.describe() if hasattr(one, "describe") else ():
            suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}.get(metric.type, [""])
            for suffix in suffixes:
                found[metric.name + suffix] = {*one._labelnames, *(["le"] if suffix == "_bucket" else [])}
    return found


def queries() -> Iterator[tuple[str, str]]:
    """Where a query stands, and what it is."""
    for panel in BOARD["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for one in BOARD["templating"]["list"]:
        if one["type"] == "query":
            yield one["name"], one["query"]
    for group in RULES["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


def labels_in(query: str) -> set[str]:
    matched = {name for braces in re.findall(r"{(.*?)}", query) for name in re.findall(r"(\w+)\s*[=!]", braces)}
    grouped = {name.strip() for names in re.findall(r"\bby \((.*?)\)", query) for name in names.split(",")}
    listed = set(re.findall(r"label_values\(\w+, (\w+)\)", query))
    return matched | grouped | listed


@pytest.mark.parametrize(("place", "query"), list(queries()))
def test_a_query_names_metrics_that_are_served_and_labels_that_they_have(place: str, query: str) -> None:
    metrics, known = set(re.findall(r"\bvda_\w+", re.sub(r'"[^"]*"', '""', query))), served()
    assert metrics, place
    assert metrics <= set(known), place
    assert labels_in(query) <= set.union(*(known[name] for name in metrics)), place


def test_every_metric_is_looked_at_somewhere() -> None:
    text = " ".join(query for _, query in queries())
    families = {re.sub(r"_(bucket|count|sum)$", "", name) for name in served()}
    assert {name for name in families if name not in text} == set()


def test_the_dashboard_is_one_that_grafana_imports_for_any_prometheus() -> None:
    panels: list[dict[str, Any]] = BOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(places), "no panel hides another"
    sources = {panel["datasource"]["uid"] for panel in panels if panel["type"] != "row"}
    assert sources == {"${source}"}
    assert {one["name"] for one in BOARD["templating"]["list"]} == {"source", "deployment", "dataset"}
    assert not re.search(r"https?://", json.dumps(BOARD))
