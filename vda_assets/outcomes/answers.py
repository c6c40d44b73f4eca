"""Compares the questions of a cookbook's bank with those that a label scene answers, and says which and where.

paidf-auto-labeling 1.0.0 drops what it cannot use and exits 0: a window whose reply holds no question, an answer that
is none of the options. The files in task/ carry no ids and the LLM's own wording, so ids are looked up in the windows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vda_assets.cookbooks.question_bank import Question, QuestionBank
from vda_assets.labels.scene import LabelScene, Window, WindowAnswer
from vda_assets.outcomes.doubts import folded


def unanswered(scene: LabelScene, bank: QuestionBank) -> list[str]:
    """One line per question that has no answer or not in every window, and one for the windows that answer nothing.

    Empty where no question is answered at all: validation says so.
    """
    is_asked = scene.config is not None and scene.config.mcq_generation.enabled
    if not is_asked or not scene.questions:
        return []
    windows = [window for window in (scene.metadata.windows if scene.metadata else ()) if not window.errors]
    read = [(window, window.answers) for window in windows if window.has_reply]
    silent = [window for window, answers in read if not answers]
    reasons = [f"no question at all is answered in {_places(silent, of=len(windows))}"] if silent else []
    return reasons + list(_gaps(scene, bank, [(window, answers) for window, answers in read if answers]))


_Replies = Sequence[tuple[Window, tuple[WindowAnswer, ...]]]


def _gaps(scene: LabelScene, bank: QuestionBank, replies: _Replies) -> Iterator[str]:
    """A question without gates must be answered in every window, one whose gates are open in any one of them."""
    given = {_same(item.question): folded(item.answer_text) for item in scene.questions}
    final = {question.id: _final(question, given, replies) for question in bank.questions}
    for question in bank.questions:
        answering = [window for window, answers in replies if _has_answer(question, answers)]
        missing = [window for window, _ in replies if window not in answering]
        name = f"question {question.id} {question.question!r} is not answered"
        is_open = all(final[gate] == folded(text) for gate, text in question.include_if.items())
        if is_open and final[question.id] is None:
            here = f" in task/, though it is in {_places(answering, of=len(replies))}" if answering else ""
            yield f"{name}{here or ' in any window'}"
        elif missing and not question.include_if:
            yield f"{name} in {_places(missing, of=len(replies))}"


def _final(question: Question, given: dict[str, str], replies: _Replies) -> str | None:
    wordings = [one.question for _, answers in replies for one in answers if one.id == question.id]
    return next((given[text] for text in map(_same, [question.question, *wordings]) if text in given), None)


def _has_answer(question: Question, answers: Sequence[WindowAnswer]) -> bool:
    """Whether one of them answers the question with one of its options: the container drops all others."""
    options = {folded(option) for option in question.options}
    return any(
        folded(one.answer) in options | {folded(option) for option in one.options}
        for one in answers
        if one.id == question.id or _same(one.question) == _same(question.question)
    )


def _same(text: str) -> str:
    return " ".join(text.split()).casefold()


def _places(windows: Sequence[Window], *, of: int) -> str:
    shown = ", ".join(f"{window.start_frame} to {window.end_frame}" for window in windows[:3])
    return f"{len(windows)} of {of} windows (frames {shown}{', …' if len(windows) > 3 else ''})"
