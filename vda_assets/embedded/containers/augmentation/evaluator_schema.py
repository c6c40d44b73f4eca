"""The two evaluators of paidf-augmentation 1.0.0, the only part of its config that refuses unknown keys."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Weight = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]


class Inference(BaseModel):
    """How a model is asked."""

    temperature: Annotated[float, Field(ge=0, le=2)] = 0.3
    top_p: Weight = 0.95
    max_tokens: Positive = 4096
    frequency_penalty: float = 1.05
    presence_penalty: float = 0
    stream: bool = False
    retry: Annotated[int, Field(ge=0)] = 0


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class HallucinationParams(_Strict):
    """How motion is measured, in grey levels and pixels."""

    grad_thresh: float = 10.0
    blur_ksize: int = 7
    morph_k: int = 3
    dist_tol_px: float = 7.0
    max_frames: int | None = None


class HallucinationCheck(_Strict):
    """Motion that the source does not have; `threshold` is the lowest score that passes."""

    enabled: bool = True
    threshold: Weight = 0.682
    params: HallucinationParams = HallucinationParams()


class ModelRequest(_Strict):
    """One kind of question to a model."""

    executor_type: Literal["local", "remote"] | None = None
    url: str | None = None
    system_prompt: str | None = None
    parameters: Inference = Inference()


class ExtraQuestion(_Strict):
    """A question of the user's own."""

    variable: str | None = None
    question: str
    options: dict[str, str]
    correct_answer: str
    request_reasoning: bool = False

    @model_validator(mode="after")
    def _answer_is_an_option(self) -> Self:
        if self.correct_answer not in self.options:
            raise ValueError(f"correct_answer {self.correct_answer!r} is none of the options {sorted(self.options)}")
        return self


class NaturalCaption(_Strict):
    """How the closing caption is asked for."""

    system_prompt: str | None = None
    user_prompt_template: str | None = None


class AttributeVerification(_Strict):
    """Questions about the first frame."""

    enabled: bool = True
    executor_type: Literal["local", "remote"] | None = None
    url: str | None = None
    question_generation: ModelRequest
    vlm_verification: ModelRequest | None = None
    exclude_variables: list[str] = []
    extra_questions: list[ExtraQuestion] | None = None
    generate_natural_caption_on_pass: bool = False
    natural_caption: NaturalCaption | None = None

    @model_validator(mode="after")
    def _remote_needs_url(self) -> Self:
        if self.executor_type == "remote" and not self.url:
            raise ValueError("attribute_verification: executor_type remote needs a url")
        return self


class Evaluator(BaseModel):
    """One check; exactly one of the three keys."""

    hallucination_check: HallucinationCheck | None = None
    attribute_verification: AttributeVerification | None = None
    vlm_verification: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if len(self.model_fields_set & set(type(self).model_fields)) != 1:
            raise ValueError("an evaluator holds exactly one of " + ", ".join(type(self).model_fields))
        return self
