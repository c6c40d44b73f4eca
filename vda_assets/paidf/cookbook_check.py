"""Everything that is wrong with a cookbook's folder at once, before a GPU is spent on finding out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from vda_assets.base.problem import Problem, Severity
from vda_assets.config.deployment import Container, Endpoints, GeneratorEndpoint, Images
from vda_assets.config.errors import BadConfigFile
from vda_assets.cookbooks.cookbook import (
    AUTO_LABELING_CONFIG,
    EVENT_PROMPT,
    QUESTION_BANK,
    REQUIRED_FILES,
    WORKFLOW_CONFIG,
    Cookbook,
    Distribution,
    base_in,
    distribution_in,
)
from vda_assets.cookbooks.draw import Draw
from vda_assets.cookbooks.exclusions import expected_shares
from vda_assets.cookbooks.folder import files_below
from vda_assets.cookbooks.question_bank import parse_question_bank
from vda_assets.paidf.generate import augmentation_config, auto_labeling_config, known_version, sift_augmentation

EVENT_CATEGORIES = ("collision", "near_miss", "anomaly", "normal_traffic")
_EVENT_KEYS = ("event_id", "start_time", "end_time", "category", "sub_category", "instances", "event_caption")
_ANY_ENDPOINTS = Endpoints(video_transfer=GeneratorEndpoint(url="http://any", model=""))
ResultT = TypeVar("ResultT")


def check_cookbook(folder: Path, *, images: Images) -> list[Problem]:
    """All problems of a scene's folder, for the containers of those images; errors make it unfit for use."""
    check = _Check(folder, images)
    try:
        check.run(files_below(folder))
    except BadConfigFile as error:
        return [Problem(Severity.ERROR, str(error.path), message) for message in error.problems]
    return check.problems


class _Check:
    def __init__(self, folder: Path, images: Images) -> None:
        self._folder, self._images = folder, images
        self._absent: list[str] = []
        self.problems: list[Problem] = []

    def run(self, files: Mapping[str, bytes]) -> None:
        self._absent = [path for path in REQUIRED_FILES if path not in files]
        self._errors(self._folder, (f"has no file {path}" for path in self._absent))
        # Without its distribution the rest of a cookbook can still be looked at.
        no_variables = Distribution.model_construct(variables={}, exclude=[])
        distribution = self._try(lambda: distribution_in(self._folder, files), of=WORKFLOW_CONFIG) or no_variables
        self._warnings(self._folder / WORKFLOW_CONFIG, _never_drawn(distribution))
        base = self._try(lambda: base_in(self._folder, files, distribution.config))
        labeling = self._try(lambda: base_in(self._folder, files, AUTO_LABELING_CONFIG), of=AUTO_LABELING_CONFIG)
        cookbook = Cookbook(
            name=self._folder.name,
            folder=self._folder,
            distribution=distribution,
            augmentation=base or {},
            auto_labeling=labeling or {},
            files=files,
        )
        if base is not None:
            self._check_augmentation(cookbook)
        if labeling is not None:
            self._try(lambda: auto_labeling_config(cookbook, endpoints=_ANY_ENDPOINTS))
        self._check_bank(files)
        self._check_event_prompt(cookbook)

    def _try(self, read: Callable[[], ResultT], *, of: str = "") -> ResultT | None:
        """The result; None when the file is absent, which was told, or bad, which is told here."""
        if of in self._absent:
            return None
        try:
            return read()
        except BadConfigFile as error:
            self._errors(error.path, error.problems)
            return None

    def _errors(self, path: Path, messages: Iterable[str]) -> None:
        self.problems += [Problem(Severity.ERROR, str(path), message) for message in messages]

    def _warnings(self, path: Path, messages: Iterable[str]) -> None:
        self.problems += [Problem(Severity.WARNING, str(path), message) for message in messages]

    def _check_augmentation(self, cookbook: Cookbook) -> None:
        path = self._folder / cookbook.distribution.config
        drawn = {name: next(iter(values)) for name, values in cookbook.distribution.variables.items()}
        draw = Draw(video="any", index=0, sampled_vars=drawn, prompt_seed=0, generation_seed=0)
        version = known_version(self._images, Container.AUGMENTATION)
        sifted = self._try(lambda: sift_augmentation(cookbook, version))
        if sifted is None:
            return
        self._warnings(path, (f"{key}: {reason}" for key, reason in sifted.dead.items()))
        config = self._try(lambda: augmentation_config(cookbook, draw, endpoints=_ANY_ENDPOINTS, images=self._images))
        if config:
            given = (sifted.content.get("captioning") or {}).get("llm") or {}
            self._errors(path, _missing_options(cookbook.distribution, given))
            self._warnings(path, _surplus_variables(cookbook.distribution, given))
            llm = config["captioning"]["llm"]
            self._warnings(path, _certain_answers(llm["verification_options"]))
            self._check_prompt(path, cookbook.distribution, llm)

    def _check_prompt(self, path: Path, distribution: Distribution, llm: dict[str, Any]) -> None:
        if "text" in llm or "file_path" in llm:
            self._warnings(path, ["captioning.llm: a fixed prompt shows no drawn value; let it be written instead"])
            return
        text = f"{llm.get('system_prompt', '')} {llm.get('example_prompt', '')}"
        if not text.strip():
            self._warnings(path, ["captioning.llm.system_prompt: is missing; say what each variable changes"])
            return
        unnamed = [name for name, values in distribution.variables.items() if not _mentions(text, [name, *values])]
        self._errors(
            path,
            (f"captioning.llm.system_prompt: names neither {name!r} nor one of its values" for name in unnamed),
        )

    def _check_bank(self, files: Mapping[str, bytes]) -> None:
        path = self._folder / QUESTION_BANK
        bank = self._try(lambda: parse_question_bank(path, files[QUESTION_BANK]), of=QUESTION_BANK)
        for question in bank.questions if bank else ():
            ignored = question.ignored_keys
            reason = "ignored by paidf-auto-labeling 1.0.0, which knows include_if: remove"
            self._warnings(path, (f"question {question.id}: {key}: {reason}" for key in ignored))

    def _check_event_prompt(self, cookbook: Cookbook) -> None:
        if EVENT_PROMPT not in cookbook.files:
            return
        path, text = self._folder / EVENT_PROMPT, cookbook.files[EVENT_PROMPT].decode("utf-8", errors="replace")
        self._errors(path, (f"does not name the category {name!r}" for name in EVENT_CATEGORIES if name not in text))
        self._warnings(path, (f"does not ask for the key {key!r}" for key in _EVENT_KEYS if key not in text))


def _never_drawn(distribution: Distribution) -> Iterator[str]:
    expected = expected_shares(distribution.variables, distribution.exclude)
    for name, weights in distribution.variables.items():
        for value, weight in weights.items():
            if weight > 0 and not expected[name][value]:
                yield f"augmentation.variables.{name}.{value}: is never drawn, exclude always rules it out"


def _missing_options(distribution: Distribution, llm: dict[str, Any]) -> Iterator[str]:
    options = llm.get("verification_options")
    if options is None:
        return
    for name, values in distribution.variables.items():
        key = f"captioning.llm.verification_options.{name}"
        if not options.get(name):
            yield f"{key}: is missing; its values are {', '.join(values)}"
        elif lacking := [value for value in values if value not in options[name]]:
            yield f"{key}: lacks {', '.join(lacking)}, which can be drawn"


def _surplus_variables(distribution: Distribution, llm: dict[str, Any]) -> Iterator[str]:
    for key in ("variables", "verification_options"):
        for name in llm.get(key) or {}:
            if name not in distribution.variables:
                yield f"captioning.llm.{key}.{name}: is no variable of {WORKFLOW_CONFIG} and is left out"


def _certain_answers(options: dict[str, list[str]]) -> Iterator[str]:
    for name, choices in options.items():
        if len(choices) < 2:
            yield f"captioning.llm.verification_options.{name}: with one option its check cannot fail; give more"


def _mentions(text: str, words: Iterable[str]) -> bool:
    spoken = {form for word in words for form in (word, word.replace("_", " "))}
    return any(re.search(rf"(?<!\w){re.escape(form)}(?!\w)", text, re.IGNORECASE) for form in spoken)
