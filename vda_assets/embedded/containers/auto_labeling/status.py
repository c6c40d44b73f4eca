"""Collects how the stages went, for sidecars/pipeline_status.json."""

from typing import Any

STAGES = ("super_resolution", "tracking", "vlm_json", "mcq_generation")


class StageRecord:
    """Every stage counts as skipped until it is recorded."""

    def __init__(self) -> None:
        self._stages: dict[str, dict[str, Any]] = {
            name: {"enabled": False, "status": "skipped", "degraded": False} for name in STAGES
        }
        self._fallbacks: list[dict[str, Any]] = []

    def completed(self, stage: str, **details: str) -> None:
        """The stage did its work."""
        self._stages[stage] = {"enabled": True, "status": "completed", "degraded": False, **details}

    def failed(self, stage: str, *, reason: str, message: str, **paths: str) -> None:
        """The stage failed and the run went on without it (policy warn)."""
        self._stages[stage] = {"enabled": True, "status": "failed", "degraded": True, "failure_reason": reason}
        self._fallbacks.append({"stage": stage, "policy": "warn", "reason": reason, "message": message, **paths})

    def document(self) -> dict[str, Any]:
        """The content of pipeline_status.json."""
        degraded = [name for name, stage in self._stages.items() if stage["degraded"]]
        return {
            "version": "1.0",
            "degraded": bool(degraded),
            "status": "completed_degraded" if degraded else "completed",
            "degraded_stages": degraded,
            "fallbacks": self._fallbacks,
            "stages": self._stages,
        }
