"""The multiple-choice stage: windows, captions, answers, verification, and the files that hold them."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vda_assets.embedded.containers.auto_labeling.answers import Answer, View, answer, view
from vda_assets.embedded.containers.auto_labeling.observation import Observation
from vda_assets.embedded.containers.auto_labeling.question_bank import Question, aggregate
from vda_assets.embedded.containers.auto_labeling.scene import write_json, write_tasks
from vda_assets.embedded.containers.auto_labeling.schema import Windows
from vda_assets.embedded.containers.stand_in import NOTE

VLM_DOWN = "vlm_call_failed:APIConnectionError"
UNVERIFIED = "verifier_no_safe_reasoning_trace; see sidecars/mcq.vlm_verify.json"


@dataclass(frozen=True)
class Mcq:
    """The stage's work on one clip: `seen_clip` is the clip whose pictures are asked about."""

    settings: Windows
    questions: list[Question]
    observation: Observation
    media_id: str
    seen_clip: Path
    out_dir: Path

    def run(self, *, vlm_is_up: bool) -> None:
        """Writes task/ and the stage's sidecars; without a VLM the sidecars alone, their windows carrying errors."""
        spans = self._spans()
        views = [view(self.observation, start=start, end=end) for start, end in spans]
        answers = [{q.id: answer(q, seen) for q in self.questions} if vlm_is_up else {} for seen in views]
        windows = [
            self._window(seen, given) if vlm_is_up else self._failed_window(seen)
            for seen, given in zip(views, answers, strict=True)
        ]
        self._write_sidecars(windows, vlm_is_up=vlm_is_up)
        if not vlm_is_up:
            return
        final = aggregate(self.questions, [{key: given.text for key, given in each.items()} for each in answers])
        written = write_tasks(
            self.out_dir,
            media_id=self.media_id,
            questions=self.questions,
            answers=final,
            reasons=self._reasons(answers, final),
        )
        if not written and self.settings.write_empty_mcq_marker:
            marker = {"version": 2.0, "video_id": self.media_id, "mcq": [], "_error": "zero_task_items"}
            write_json(self.out_dir / "sidecars/mcq.empty.json", marker)

    def _spans(self) -> list[tuple[int, int]]:
        total = self.observation.frame_count
        length = self.settings.window_frames or round(self.settings.window_seconds * self.observation.rate)
        if self.settings.single_window or length <= 0:
            length = total
        return [(start, min(start + length, total) - 1) for start in range(0, total, length)]

    def _reasons(self, answers: list[dict[str, Answer]], final: dict[str, str]) -> dict[str, str]:
        if not self.settings.vlm_verify_enabled:
            return dict.fromkeys(final, UNVERIFIED)
        agreeing = {
            key: next((each[key].reason for each in answers if each[key].text == text), UNVERIFIED)
            for key, text in final.items()
        }
        return {key: f"CPU stand-in: {reason}" for key, reason in agreeing.items()}

    def _times(self, seen: View) -> dict[str, float | int]:
        rate = float(self.observation.rate)
        return {
            "start_s": round(seen.start / rate, 3),
            "end_s": round((seen.end + 1) / rate, 3),
            "start_frame": seen.start,
            "end_frame": seen.end,
        }

    def _window(self, seen: View, given: dict[str, Answer]) -> dict[str, Any]:
        names = ", ".join(track.object_id for track in seen.tracks) or "nothing"
        caption = f"[CPU stand-in, no model was asked] Frames {seen.start} to {seen.end}: {names} moving."
        items = [
            {"id": q.id, "question": q.text, "options": list(q.options), "answer": given[q.id].text}
            for q in self.questions
        ]
        window = {
            **self._times(seen),
            self.settings.caption_key: caption,
            self.settings.enhanced_caption_key: {"version": 2.0, "video_id": self.seen_clip.stem, "mcq": items},
        }
        if self.settings.vlm_verify_enabled:
            checks = [
                {
                    "id": key,
                    "verdict": "supported" if one.measured else "uncertain",
                    "reasoning_trace": f"CPU stand-in: {one.reason}",
                    "suggested_answer": one.text,
                    "current_answer": one.text,
                }
                for key, one in given.items()
            ]
            window["vlm_verify"] = {"status": "ok", "verifications": checks, "corrected_count": 0}
        return window

    def _failed_window(self, seen: View) -> dict[str, Any]:
        return {
            **self._times(seen),
            self.settings.caption_key: "",
            self.settings.enhanced_caption_key: {},
            "_errors": [VLM_DOWN],
        }

    def _write_sidecars(self, windows: list[dict[str, Any]], *, vlm_is_up: bool) -> None:
        clip, settings, sidecars = self.observation, self.settings, self.out_dir / "sidecars"
        names = {"video_id": self.seen_clip.stem, "source_video": str(self.seen_clip)}
        keys = ("window_frames", "window_seconds", "single_window", "sampling_fps", "resolution", "max_frames")
        windowing = {key: getattr(settings, key) for key in (*keys, "caption_key", "enhanced_caption_key")}
        mode = "single" if settings.single_window else "frames" if settings.window_frames else "seconds"
        metadata = {
            **names,
            "duration_span": [0.0, round(clip.duration_seconds, 3)],
            "width": clip.width,
            "height": clip.height,
            "framerate": float(clip.rate),
            "num_frames": clip.frame_count,
            "windowing": {"window_mode": mode, **windowing},
            "windows": windows,
            "filtered_windows": [],
            "valid": vlm_is_up,
            "has_caption": vlm_is_up,
        }
        write_json(sidecars / "metadata.json", metadata)
        if not settings.vlm_verify_enabled:
            return
        verified = [
            {
                "window_index": n,
                "start_frame": w["start_frame"],
                "end_frame": w["end_frame"],
                "vlm_verify": w["vlm_verify"],
            }
            for n, w in enumerate(windows)
            if "vlm_verify" in w
        ]
        summary = {
            "windows_total": len(windows),
            "windows_with_verify": len(verified),
            "questions_verified": len(self.questions) * len(verified),
            "questions_corrected": 0,
        }
        write_json(sidecars / "mcq.vlm_verify.json", {"version": 1.0, **names, "windows": verified, "summary": summary})


def write_prompts(out_dir: Path, questions: list[Question]) -> None:
    """The prompts that the stage would have sent, written where the container leaves them."""
    folder = out_dir / "prompts"
    folder.mkdir(parents=True, exist_ok=True)
    asked = "\n".join(f"- {question.id}: {question.text} {list(question.options)}" for question in questions)
    prompts = {
        "scene_prompt": f"{NOTE}\n\nDescribe what the following questions ask about:\n{asked}\n",
        "mcq_prompt": f"{NOTE}\n\nMap the description to answers of:\n{asked}\n",
        "vlm_verify_prompt": f"{NOTE}\n\nSay for each answer whether the pictures support it.\n",
    }
    for name, text in prompts.items():
        (folder / f"{name}.used.md").write_text(text)
    digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in prompts.items()}
    (folder / "prompts.used.json").write_text(json.dumps({"stand_in": NOTE, "sha256": digests}, indent=2))
    meta = {"stand_in": NOTE, "model": None, "questions": len(questions)}
    (folder / "scene_prompt.generated_by_llm.meta.json").write_text(json.dumps(meta, indent=2))
