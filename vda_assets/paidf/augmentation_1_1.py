"""The config of paidf-augmentation 1.1.0: where it differs from 1.0.0.

It runs no model itself: every endpoint, that of the generator too, stands in one list and is found by its role.
"""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from vda_assets.config import deployment
from vda_assets.config.deployment import Role
from vda_assets.paidf import augmentation_1_0 as v1_0
from vda_assets.paidf.base_config import BaseConfig
from vda_assets.paidf.parts import (
    Captioning,
    ContainerModel,
    Inference,
    Modalities,
    Positive,
    QuestionGeneration,
    Sample,
    VlmCaption,
    VlmVerification,
)


class Endpoint(ContainerModel):
    """`id` is unique; `timeout` is in seconds, and always given: the container's own ends after 120 or 300."""

    id: str
    role: Role
    url: str
    model: str
    api_key_env: str | None = None
    timeout: Annotated[float, Field(gt=0)]


class Evaluation(ContainerModel):
    """`strict` ends the container with code 1 when a check fails; what is not retained is deleted."""

    strict: bool
    retain_failures: bool


class Pipeline(v1_0.Pipeline):
    """`request_timeout` is in seconds."""

    request_timeout: Annotated[float, Field(gt=0)] | None = None
    evaluation: Evaluation


class Model(ContainerModel):
    """Any name: the generator's endpoint has it for its id."""

    name: str
    version: str | None = None


class AnyParameters(ContainerModel):
    """What is given goes to the generator's endpoint as it stands: which keys it takes is its own affair."""

    model_config = ConfigDict(extra="allow", frozen=True)

    seed: int


class PromptedModalities(Modalities):
    """A weight may stand among the parameters instead, as the service takes it (`edge: {control_weight: 1.0}`)."""

    positive_prompt: str | None = None
    negative_prompt: str | None = None

    @model_validator(mode="after")
    def _one_weight(self) -> Self:
        return self


class Augmentation(ContainerModel):
    model: Model
    parameters: AnyParameters
    modalities: PromptedModalities


class OptionedQuestionGeneration(QuestionGeneration):
    """`generate_options` lets the LLM invent the wrong answers."""

    generate_options: bool | None = None


class FramedVlmVerification(VlmVerification):
    """`frames` of the clip are looked at, the first one alone without."""

    frames: Positive | None = None


class AttributeVerification(v1_0.AttributeVerification):
    question_generation: OptionedQuestionGeneration
    vlm_verification: FramedVlmVerification | None = None


class Evaluator(v1_0.Evaluator):
    attribute_verification: AttributeVerification | None = None


class AnyVlmInference(Inference):
    """`extra_body` goes out as it stands."""

    extra_body: dict[str, Any] | None = None


class AnyVlmCaption(VlmCaption):
    parameters: AnyVlmInference | None = None  # type: ignore[assignment]


class AnyCaptioning(Captioning):
    vlm: AnyVlmCaption | None = None


class AugmentationConfig11(ContainerModel):
    """The whole file."""

    data: Annotated[list[Sample], Field(min_length=1)]
    endpoints: Annotated[list[Endpoint], Field(min_length=1)]
    pipeline: Pipeline
    captioning: AnyCaptioning
    augmentation: Augmentation
    evaluators: list[Evaluator] | None = None


def complete(base: BaseConfig, endpoints: deployment.Endpoints) -> None:
    """Writes the deployment's endpoints into the config, as a list in which each says its role.

    The generator is found by the model's name, which is why its endpoint has that for its id.
    """
    ids = {Role.VIDEO_TRANSFER: base.block("augmentation", "model").get("name")}
    base.content["endpoints"] = [
        {"id": ids.get(role, str(role)), "role": role, **_endpoint(endpoint)}
        for role in Role
        if (endpoint := endpoints.of(role)) is not None
    ]
    # Its own verdict would end it with code 1; here every output is judged from its metadata.
    evaluation = base.block("pipeline", "evaluation")
    evaluation.update({"strict": False, "retain_failures": True} | evaluation)


def _endpoint(endpoint: deployment.Endpoint) -> dict[str, Any]:
    return {
        "url": endpoint.url,
        "model": endpoint.model,
        "api_key_env": endpoint.api_key_env,
        "timeout": endpoint.timeout_seconds,
    }
