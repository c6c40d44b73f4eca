"""The two evaluators: motion that the source does not have, and whether the selected attributes show.

The first is computed as paidf-augmentation 1.0.0 describes it. The second asks no model here: a value counts as
recognised when the stand-in has an image operation for it, else the answer is UNKNOWN.
"""

import itertools
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vda_assets.embedded.containers.augmentation.evaluator_schema import (
    AttributeVerification,
    HallucinationCheck,
    HallucinationParams,
)
from vda_assets.embedded.containers.augmentation.image_operations import LOOKS
from vda_assets.embedded.containers.augmentation.schema import Endpoint
from vda_assets.embedded.containers.endpoints import EndpointError, require_model
from vda_assets.embedded.containers.video import Plane, frames, split

LETTERS = "ABCD"
Mask = NDArray[np.bool_]


def hallucination(check: HallucinationCheck, *, source: Path, augmented: Path) -> dict[str, Any]:
    """`passed`, `score` (1.0 = clean), `threshold` and `details`; raises ValueError when frame counts differ."""
    started = time.monotonic()
    hallucinated = dynamic = total_frames = 0
    pairs = itertools.zip_longest(_motion(source, check.params), _motion(augmented, check.params))
    for total_frames, (before, after) in enumerate(pairs, start=1):  # noqa: B007 - the count is used below
        if before is None or after is None:
            raise ValueError(f"{augmented.name} and {source.name} differ in their number of frames")
        dynamic += int(after.sum())
        if not before.any():
            hallucinated += int(after.sum())
            continue
        distance = cv2.distanceTransform((~before).astype(np.uint8), cv2.DIST_L2, 3)
        hallucinated += int((after & (distance > check.params.dist_tol_px)).sum())
    score = 1.0 if dynamic == 0 else 1 - hallucinated / dynamic
    return {
        "passed": score >= check.threshold,
        "score": round(score, 4),
        "threshold": check.threshold,
        "details": {
            "score": round(score, 4),
            "total_frames": total_frames,
            "total_hallucinated_pixels": hallucinated,
            "total_augmented_dynamic_pixels": dynamic,
            "duration_seconds": round(time.monotonic() - started, 3),
            "params": check.params.model_dump(),
        },
    }


def _motion(path: Path, params: HallucinationParams) -> Iterator[Mask]:
    """One mask per frame of what moved since the frame before; nothing in the first."""
    size = params.blur_ksize | 1
    kernel = np.ones((params.morph_k, params.morph_k), dtype=np.uint8)
    previous: Plane | None = None
    for frame in itertools.islice(frames(path), params.max_frames):
        current = cv2.GaussianBlur(split(frame)[0], (size, size), 0)
        moved: NDArray[Any] = np.zeros(current.shape, dtype=np.uint8)
        if previous is not None:
            moved = (cv2.absdiff(current, previous) > params.grad_thresh).astype(np.uint8)
            moved = cv2.morphologyEx(moved, cv2.MORPH_OPEN, kernel)
        yield moved.astype(bool)
        previous = np.asarray(current, dtype=np.uint8)


def crashed(reason: str) -> dict[str, Any]:
    """A check that could not be made: the reason stands among the details."""
    return {"passed": False, "score": 0.0, "details": {"score": 0.0, "error": reason}}


def attributes(
    check: AttributeVerification,
    *,
    verified: dict[str, str],
    vocabulary: dict[str, list[str]],
    endpoints: tuple[Endpoint, Endpoint],
    environment: Mapping[str, str],
) -> dict[str, Any]:
    """`passed` and `details` (questions, results, summary) for the value of each variable in `verified`.

    `endpoints` are the VLM and the LLM; without the LLM there are no questions, without the VLM no answers.
    """
    started = time.monotonic()
    vlm, llm = endpoints
    try:
        require_model(llm.url, llm.model, api_key=environment.get("LLM_API_KEY"))
    except EndpointError:
        return crashed("Failed to generate any questions")
    questions = [
        _question(variable, value, vocabulary.get(variable, []))
        for variable, value in sorted(verified.items())
        if variable not in check.exclude_variables
    ]
    questions += [
        {
            "variable": extra.variable or "",
            "value": extra.options[extra.correct_answer],
            "question": extra.question,
            "options": extra.options,
            "correct_answer": extra.correct_answer,
        }
        for extra in check.extra_questions or []
    ]
    try:
        require_model(vlm.url, vlm.model, api_key=environment.get("VLM_API_KEY"))
        results = [_result(question) for question in questions]
    except EndpointError as error:
        unanswered = {"vlm_answer": "ERROR", "passed": False, "error": str(error)}
        results = [{**_result(question), **unanswered} for question in questions]
    passed = sum(result["passed"] for result in results)
    return {
        "passed": passed == len(results),
        "details": {
            "questions": questions,
            "results": results,
            "summary": {
                "total_checks": len(results),
                "passed_checks": passed,
                "failed_checks": len(results) - passed,
            },
            "duration_seconds": round(time.monotonic() - started, 3),
        },
    }


def _question(variable: str, value: str, vocabulary: list[str]) -> dict[str, Any]:
    """The question about one value, with two to four options of the vocabulary."""
    choices = list(dict.fromkeys(vocabulary))
    if value not in choices[: len(LETTERS)]:
        choices = [value, *(choice for choice in choices if choice != value)]
    choices = choices[: len(LETTERS)]
    if len(choices) < 2:
        choices.append("other")
    options = dict(zip(LETTERS, choices, strict=False))
    return {
        # The LLM writes the question, and the variable's name in words of its own.
        "variable": variable.replace("_", " "),
        "value": value,
        "question": f"Which {variable.replace('_', ' ')} does the picture show?",
        "options": options,
        "correct_answer": LETTERS[choices.index(value)],
    }


def _result(question: dict[str, Any]) -> dict[str, Any]:
    expected = question["correct_answer"]
    answer = expected if question["value"].strip().lower() in LOOKS else "UNKNOWN"
    return {
        "variable": question["variable"],
        "value": question["value"],
        "question": question["question"],
        "options": question["options"],
        "expected_answer": expected,
        "vlm_answer": answer,
        "passed": answer == expected,
    }
