"""Compares the questions of a cookbook's bank with those that a label scene answers, and says which and where.

paidf-auto-labeling 1.0.0 drops what it cannot use and exits 0: a window whose reply holds no question, an answer that
is none of the options. What the LLM makes up it exports: questions and options of its own, and answers to gated
questions in a clip of one window. The files in task/ carry no ids and the LLM's own wording, so ids are looked up in
the windows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vda_assets.base.counted import counted
from vda_assets.base.cut import cut
from vda_assets.cookbooks.question_bank import Question, QuestionBank
from vda_assets.labels.scene import LabelScene, Window, WindowAnswer
from vda_assets.labels.scene import Question as Answered
from vda_assets.outcomes.doubts import folded

_DENIALS = [["no"], ["none"], ["not"], ["nothing"]]


@dataclass(frozen=True)
class _Replies:
    """Which questions each window answers with one of the bank's options, by id; `given` is what the scene answers."""

    windows: Sequence[tuple[Window, frozenset[str]]]
    given: dict[str, Answered]
    strangers: list[Answered]

    def answer(self, question_id: str) -> str | None:
        return folded(self.given[question_id].answer_text) if question_id in self.given else None


def answer_problems(scene: LabelScene, bank: QuestionBank) -> list[str]:
    """One line per question that has no answer, or not in every window, or one that the bank does not allow.

    Empty where no question is answered at all: validation says so.
    """
    is_asked = scene.config is not None and scene.config.mcq_generation.enabled
    if not is_asked or not scene.questions:
        return []
    good = [window for window in (scene.metadata.windows if scene.metadata else ()) if not window.errors]
    read = [(window, window.answers) for window in good if window.has_reply]
    silent = [window for window, answers in read if not answers]
    replies = _replies(scene, bank, [(window, answers) for window, answers in read if answers])
    reasons = [f"no question at all is answered in {_places(silent, of=len(good))}"] if silent else []
    return [*reasons, *_gaps(bank, replies), *_inventions(bank, replies), *_contradictions(bank, replies)]


def _replies(
    scene: LabelScene, bank: QuestionBank, windows: Sequence[tuple[Window, tuple[WindowAnswer, ...]]]
) -> _Replies:
    ids = {_same(question.question): question.id for question in bank.questions}
    options = {question.id: set(map(folded, question.options)) for question in bank.questions}
    answered = []
    for window, answers in windows:
        here = set()
        for one in answers:
            text = _same(one.question)
            if one.id in options:
                ids.setdefault(text, one.id)
            here |= {known for known in (one.id, ids.get(text)) if folded(one.answer) in options.get(known or "", ())}
        answered.append((window, frozenset(filter(None, here))))
    given: dict[str, Answered] = {}
    strangers = []
    for item in scene.questions:
        if (question_id := ids.get(_same(item.question))) is None:
            strangers.append(item)
        else:
            given.setdefault(question_id, item)
    return _Replies(answered, given, strangers)


def _gaps(bank: QuestionBank, replies: _Replies) -> Iterator[str]:
    """A question without gates must be answered in every window, one whose gates are open in any one of them."""
    for question in bank.questions:
        answering = [window for window, answered in replies.windows if question.id in answered]
        missing = [window for window, answered in replies.windows if question.id not in answered]
        name = f"question {question.id} {question.question!r} is not answered"
        if not _closed_gates(question, replies) and question.id not in replies.given:
            here = f" in task/, though it is in {_places(answering, of=len(replies.windows))}" if answering else ""
            yield f"{name}{here or ' in any window'}"
        elif missing and not question.include_if:
            yield f"{name} in {_places(missing, of=len(replies.windows))}"


def _inventions(bank: QuestionBank, replies: _Replies) -> Iterator[str]:
    """What the LLM asked, offered or answered beside the bank."""
    for item in replies.strangers:
        # Without its reply a question in other words is known by its options alone.
        options = {folded(option) for option in item.options.values()}
        is_reworded = any(options == {folded(option) for option in one.options} for one in bank.questions)
        if replies.windows or not is_reworded:
            yield f"it answers {cut(item.question, characters=100)!r}, which the cookbook does not ask"
    for question in bank.questions:
        if question.id not in replies.given:
            continue
        item = replies.given[question.id]
        allowed = {folded(option) for option in question.options}
        name = f"question {question.id} {question.question!r}"
        if folded(item.answer_text) not in allowed:
            yield f"{name} has the answer {cut(item.answer_text, characters=100)!r}, none of the cookbook's options"
        elif made_up := [option for option in item.options.values() if folded(option) not in allowed]:
            yield f"{name} was asked with the option {cut(made_up[0], characters=100)!r}, none of the cookbook's"


def _contradictions(bank: QuestionBank, replies: _Replies) -> Iterator[str]:
    """With one window the container does not look at gates; "No collision" agrees with a gate that is closed."""
    for question in bank.questions:
        answer = replies.answer(question.id)
        if answer is None or answer.split()[:1] in _DENIALS:
            continue
        for gate in _closed_gates(question, replies):
            if (opened_by := replies.given.get(gate)) is not None:
                yield (
                    f"question {question.id} {question.question!r} is answered with {cut(answer)!r}, though it is for "
                    f"{question.include_if[gate]!r} to {gate} alone, which is answered {cut(opened_by.answer_text)!r}"
                )


def _closed_gates(question: Question, replies: _Replies) -> list[str]:
    return [gate for gate, text in question.include_if.items() if replies.answer(gate) != folded(text)]


def _same(text: str) -> str:
    return " ".join(text.split()).casefold()


def _places(windows: Sequence[Window], *, of: int) -> str:
    shown = ", ".join(f"{window.start_frame} to {window.end_frame}" for window in windows[:3])
    return f"{len(windows)} of {counted(of, 'window')} (frames {shown}{', …' if len(windows) > 3 else ''})"
