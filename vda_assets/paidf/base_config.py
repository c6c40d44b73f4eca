"""A cookbook's base config while it is completed to what a container reads for one clip."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from vda_assets.config.errors import BadConfigFile
from vda_assets.config.yaml_file import problems_of
from vda_assets.cookbooks.cookbook import Cookbook
from vda_assets.paidf.parts import ContainerModel
from vda_assets.paidf.sift import Sifted


class BaseConfig:
    """The base config in the file `config` of a cookbook, sifted; `content` is what becomes of it."""

    def __init__(self, cookbook: Cookbook, config: str, sifted: Sifted) -> None:
        self._cookbook, self._path = cookbook, cookbook.folder / config
        self._text = cookbook.files.get(config, b"")
        self._unknown = sifted.unknown
        self.content = sifted.content

    def block(self, *keys: str) -> dict[str, Any]:
        """The mapping at these keys, made where there is none."""
        here = self.content
        for number, key in enumerate(keys):
            below = here.get(key)
            if below is None:
                below = here[key] = {}
            if not isinstance(below, dict):
                raise BadConfigFile(self._path, [f"{'.'.join(keys[: number + 1])}: must be a mapping"])
            here = below
        return here

    def given_controls(self) -> dict[str, Any]:
        """Ready-made control clips that the base config names for its first sample."""
        samples = self.content.get("data")
        first = samples[0] if isinstance(samples, list) and samples and isinstance(samples[0], dict) else {}
        inputs = first.get("inputs")
        controls = inputs.get("controls") if isinstance(inputs, dict) else None
        return controls if isinstance(controls, dict) else {}

    def vocabulary(self, variable: str) -> list[str]:
        """The answers among which the drawn value is looked for: every drawable one, and more that are given."""
        values = list(self._cookbook.distribution.variables[variable])
        for key in ("verification_options", "variables"):
            given = self.block("captioning", "llm", key).get(variable)
            if given is None:
                continue
            if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
                raise BadConfigFile(self._path, [f"captioning.llm.{key}.{variable}: must be a list of texts"])
            values += given
        return list(dict.fromkeys(values))

    def validated(self, model: type[ContainerModel]) -> dict[str, Any]:
        """The config as the container reads it. Raises BadConfigFile with all that `model` refuses, and with the
        unknown keys of what was replaced: they are typing errors too."""
        errors = list(self._unknown)
        document: dict[str, Any] = {}
        try:
            document = model.model_validate(self.content).document()
        except ValidationError as error:
            errors += [one for one in error.errors(include_url=False) if one["type"] != "extra_forbidden"]
        if errors:
            raise BadConfigFile(self._path, problems_of(errors, model, text=self._text))
        return document
