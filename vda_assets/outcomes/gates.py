"""The two quality gates in the metadata of an augmented clip: what they say, and whether it can be believed.

paidf-augmentation 1.0.0 exits 0 whatever they say. A check that crashed is written as `passed: false` with the cause in
`details.error`, and says nothing about the clip.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, TypeGuard

from vda_assets.base.cut import cut
from vda_assets.outcomes.verdict import Verdict

HALLUCINATION, ATTRIBUTES = "hallucination_check", "attribute_verification"
_JSON_TYPES = {dict: "a mapping", list: "a list", str: "a text", bool: "true or false", int: "a number"}


@dataclass(frozen=True)
class Finding:
    """`verdict` is what it makes of the clip."""

    verdict: Verdict
    reason: str


def gate_findings(
    metadata: Mapping[str, Any], *, sampled_vars: Mapping[str, str], excluded: Collection[str]
) -> list[Finding]:
    """Empty when both gates vouch for the clip. `excluded` are variables that the config leaves unverified."""
    blocks = {gate: metadata.get(gate) for gate in (HALLUCINATION, ATTRIBUTES)}
    findings = [*_gate(HALLUCINATION, blocks[HALLUCINATION], _score), *_gate(ATTRIBUTES, blocks[ATTRIBUTES], _results)]
    findings += _attempts(blocks)
    if not any(finding.verdict is Verdict.UNVERIFIED for finding in findings):
        findings += _unasked(blocks[ATTRIBUTES], set(sampled_vars), excluded)
    return findings


def excluded_variables(augmentation: Mapping[str, Any]) -> frozenset[str]:
    """Which variables the config of paidf-augmentation leaves out of the attribute verification by design."""
    evaluators = augmentation.get("evaluators")
    checks = (
        [one.get(ATTRIBUTES) for one in evaluators if isinstance(one, dict)] if isinstance(evaluators, list) else []
    )
    lists = [check.get("exclude_variables") for check in checks if isinstance(check, dict)]
    return frozenset(str(name) for one in lists if isinstance(one, list) for name in one)


def hallucination_score(metadata: Mapping[str, Any]) -> float | None:
    """The score, where there is one that is a number."""
    block = metadata.get(HALLUCINATION)
    score = block.get("score") if isinstance(block, dict) else None
    return float(score) if _is_number(score) and isfinite(score) else None


def _gate(gate: str, block: Any, judge: Any) -> Iterator[Finding]:
    """One finding at most."""
    if block is None:
        yield _unverified(f"{gate} did not run")
    elif not isinstance(block, dict):
        yield _unverified(f"{gate} is {_kind(block)}, not a mapping")
    elif not isinstance(_details(block), dict):
        yield _unverified(f"the details of {gate} are {_kind(block['details'])}, not a mapping")
    elif (error := block.get("error", _details(block).get("error"))) is not None:
        yield _unverified(f"{gate} crashed: {cut(error) or 'no reason given'}")
    elif not isinstance(block.get("passed"), bool):
        yield _unverified(f"{gate} does not say whether it passed: {cut(repr(block.get('passed')))}")
    else:
        yield from judge(gate, block, passed=block["passed"])


def _score(gate: str, block: Mapping[str, Any], *, passed: bool) -> Iterator[Finding]:
    score, threshold = block.get("score"), block.get("threshold")
    failure = f"{gate} failed: score {cut(score)}, at least {cut(threshold)} is needed"
    if not (_is_number(score) and _is_number(threshold)) or max(map(_beyond, (score, threshold))):
        yield _unverified(f"{gate} has no score to believe: {cut(repr(score))}, threshold {cut(repr(threshold))}")
    elif not (isfinite(score) and isfinite(threshold)):
        yield Finding(Verdict.REJECTED, failure)
    elif score >= threshold and not passed:
        yield _unverified(f"{gate} contradicts itself: not passed, with score {score} of {threshold} needed")
    elif not (passed and score >= threshold):
        yield Finding(Verdict.REJECTED, failure)


def _results(gate: str, block: Mapping[str, Any], *, passed: bool) -> Iterator[Finding]:
    results = _details(block).get("results", [])
    if not isinstance(results, list) or not all(isinstance(one, dict) for one in results):
        yield _unverified(f"the results of {gate} are no list of mappings")
        return
    unasked = [cut(one.get("variable")) for one in results if one.get("error") is not None]
    unclear = [cut(one.get("variable")) for one in results if not isinstance(one.get("passed"), bool)]
    wrong = [f"{cut(one.get('variable'))} is not {cut(one.get('value'))}" for one in results if not one.get("passed")]
    if unasked:
        yield _unverified(f"{gate} could not ask for {', '.join(unasked)}")
    elif unclear:
        yield _unverified(f"{gate} does not say whether {', '.join(unclear)} passed")
    elif not passed and results and not wrong:
        yield _unverified(f"{gate} contradicts itself: not passed, though every question did")
    elif wrong or not passed:
        yield Finding(Verdict.REJECTED, f"{gate} failed{': ' if wrong else ''}{', '.join(wrong)}")


def _attempts(blocks: Mapping[str, Any]) -> Iterator[Finding]:
    """Both must have looked at the same clip: each attempt makes another one."""
    attempts = {gate: block.get("attempt") for gate, block in blocks.items() if isinstance(block, dict)}
    for gate, attempt in attempts.items():
        if isinstance(attempt, bool) or not isinstance(attempt, int):
            yield _unverified(f"{gate} does not say which attempt it is of: {cut(repr(attempt))}")
            return
    if len({*attempts.values()}) > 1:
        yield _unverified(f"its checks belong to different attempts: {cut(sorted(attempts.values(), key=str))}")


def _unasked(block: Any, variables: Collection[str], excluded: Collection[str]) -> Iterator[Finding]:
    """`variable` in a result is the LLM's own wording, such as "time of day" for time_of_day."""
    results = _details(block).get("results", [])
    asked = {_folded(one.get("variable")) for one in results} | {_folded(name) for name in excluded}
    if unasked := sorted(name for name in variables if _folded(name) not in asked):
        yield _unverified(f"{ATTRIBUTES} did not ask for {', '.join(unasked)}")


def _details(block: Mapping[str, Any]) -> Any:
    details = block.get("details")
    return {} if details is None else details


def _folded(name: object) -> str:
    return re.sub(r"[\s_-]+", "", str(name)[:1000]).casefold()


def _beyond(share: float) -> bool:
    return isfinite(share) and not 0 <= share <= 1


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53)


def _kind(value: object) -> str:
    return _JSON_TYPES.get(type(value), "something else")


def _unverified(reason: str) -> Finding:
    return Finding(Verdict.UNVERIFIED, reason)
