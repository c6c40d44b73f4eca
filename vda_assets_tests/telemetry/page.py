"""What a page of metrics says, by name and labels."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families


def values(page: bytes) -> dict[str, dict[tuple[str, ...], float]]:
    """Name of the sample -> the values of its labels, in the order of the labels' names -> value."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(page.decode()):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def names(page: bytes) -> set[str]:
    """Of the samples that a page may have, whether there is one now or not."""
    found = set()
    for family in text_string_to_metric_families(page.decode()):
        parts = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}.get(family.type, [""])
        found |= {family.name + part for part in parts}
    return found
