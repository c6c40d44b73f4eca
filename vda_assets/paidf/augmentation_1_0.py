"""The config of paidf-augmentation 1.0.0 and 1.0.1, without its dead keys: those that it takes and never reads."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from vda_assets.config import deployment
from vda_assets.paidf.base_config import BaseConfig
from vda_assets.paidf.parts import (
    Captioning,
    ContainerModel,
    ExtraQuestion,
    HallucinationCheck,
    Modalities,
    NaturalCaption,
    NotNegative,
    Parameters,
    Positive,
    QuestionGeneration,
    Sample,
    VlmVerification,
)


class Endpoint(ContainerModel):
    url: str
    model: str


class Endpoints(ContainerModel):
    vlm: Endpoint
    llm: Endpoint


class Pipeline(ContainerModel):
    """`retry` attempts follow the first one."""

    retry: NotNegative | None = None
    regenerate_caption_on_retry: bool | None = None


class Model(ContainerModel):
    """Cosmos Transfer in the worker's own container: the only generator that a cluster's GPU task can be."""

    name: Literal["cosmos-transfer2.5"]
    version: Literal["ct25", "ct2.5"] | None = None
    executor_type: Literal["local"] | None = None


class LocalParameters(ContainerModel):
    """How torchrun is started; without this block with one process."""

    num_processes: Positive | None = None
    master_port: Annotated[int, Field(ge=1, le=65535)] | None = None


class Augmentation(ContainerModel):
    model: Model
    parameters: Parameters
    modalities: Modalities
    local_parameters: LocalParameters | None = None


class AttributeVerification(ContainerModel):
    enabled: bool | None = None
    executor_type: Literal["local", "remote"] | None = None
    url: str | None = None
    question_generation: QuestionGeneration
    vlm_verification: VlmVerification | None = None
    exclude_variables: list[str] | None = None
    extra_questions: list[ExtraQuestion] | None = None
    generate_natural_caption_on_pass: bool | None = None
    natural_caption: NaturalCaption | None = None


class Evaluator(ContainerModel):
    """One check. A `vlm_verification` of its own builds a verifier that is never asked, so it is none."""

    hallucination_check: HallucinationCheck | None = None
    attribute_verification: AttributeVerification | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.hallucination_check is None) == (self.attribute_verification is None):
            raise ValueError("an entry holds one of hallucination_check and attribute_verification")
        return self


class AugmentationConfig10(ContainerModel):
    """The whole file."""

    data: Annotated[list[Sample], Field(min_length=1)]
    endpoints: Endpoints
    pipeline: Pipeline | None = None
    captioning: Captioning
    augmentation: Augmentation
    evaluators: list[Evaluator] | None = None


def complete(base: BaseConfig, endpoints: deployment.Endpoints) -> None:
    """Writes the deployment's endpoints into the config: a mapping, and the keys stand in the environment."""
    base.content["endpoints"] = {"vlm": _endpoint(endpoints.vlm), "llm": _endpoint(endpoints.llm)}


def _endpoint(endpoint: deployment.Endpoint) -> dict[str, Any]:
    return {"url": endpoint.url, "model": endpoint.model}
