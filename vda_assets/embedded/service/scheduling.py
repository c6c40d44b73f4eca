"""Which groups start next: a pure decision by priority, order and what the platforms have free."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vda_assets.embedded.service.settings import PlatformCapacity

PRIORITIES = ("HIGH", "NORMAL", "LOW")


@dataclass(frozen=True)
class Need:
    """What one group takes of each platform: platform -> (GPUs, CPUs)."""

    group_id: int
    priority: str
    by_platform: Mapping[str, tuple[int, int]]

    @property
    def rank(self) -> tuple[int, int]:
        return PRIORITIES.index(self.priority), self.group_id


def can_ever_fit(need: Need, platforms: Mapping[str, PlatformCapacity]) -> bool:
    return all(
        name in platforms and gpus <= platforms[name].gpus and cpus <= platforms[name].cpus
        for name, (gpus, cpus) in need.by_platform.items()
    )


def choose(waiting: Iterable[Need], running: Iterable[Need], platforms: Mapping[str, PlatformCapacity]) -> list[Need]:
    """The waiting groups that start now, best first.

    A group that does not fit keeps what is free for itself, so that smaller ones behind it never starve it;
    groups that need none of what it lacks may pass.
    """
    free = {name: [capacity.gpus, capacity.cpus] for name, capacity in platforms.items()}
    for need in running:
        _take(free, need)
    chosen: list[Need] = []
    for need in sorted(waiting, key=lambda need: need.rank):
        if not can_ever_fit(need, platforms):
            continue
        lacking = _lacking(free, need)
        if not lacking:
            _take(free, need)
            chosen.append(need)
        for platform, kind in lacking:
            free[platform][kind] = 0
    return chosen


def _take(free: dict[str, list[int]], need: Need) -> None:
    for platform, amounts in need.by_platform.items():
        if platform in free:
            for kind, amount in enumerate(amounts):
                free[platform][kind] -= amount


def _lacking(free: dict[str, list[int]], need: Need) -> list[tuple[str, int]]:
    return [
        (platform, kind)
        for platform, amounts in need.by_platform.items()
        for kind, amount in enumerate(amounts)
        if amount > max(0, free[platform][kind])
    ]
