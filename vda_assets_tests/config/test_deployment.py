from __future__ import annotations

import pytest
from pydantic import ValidationError

from vda_assets.config.dataset import Dataset, VerdictPolicy
from vda_assets.config.deployment import (
    Container,
    Endpoint,
    Endpoints,
    GeneratorEndpoint,
    Images,
    OsmoConnection,
    Price,
    Role,
)


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("nvcr.io/nvidia/paidf-augmentation:1.0.0", "1.0.0"),
        ("registry.local:5000/aug:v1.1.0-acme.3@sha256:00ff", "1.1.0"),
        ("registry.local:5000/aug", None),
        ("aug:latest", None),
        ("aug@sha256:00ff", None),
        ("aug:1.1", None),
    ],
)
def test_the_tag_of_an_image_says_its_version_or_nothing_does(image: str, version: str | None) -> None:
    assert Images(augmentation=image).version(Container.AUGMENTATION) == version
    assert Images(augmentation=image, augmentation_version="1.0.1").version(Container.AUGMENTATION) == "1.0.1"


def test_endpoints_are_found_by_role_and_lose_the_slash_at_their_end() -> None:
    endpoints = Endpoints(video_transfer=GeneratorEndpoint(url="http://cosmos:8000/v1/", model="cosmos"))
    assert endpoints.of(Role.VIDEO_TRANSFER) == endpoints.video_transfer
    assert endpoints.video_transfer
    assert endpoints.video_transfer.url == "http://cosmos:8000/v1"
    assert Endpoints().of(Role.VIDEO_TRANSFER) is None


@pytest.mark.parametrize(
    "url",
    [
        "osmo",
        "ftp://osmo",
        "http://",
        "http://osmo:port",
        "http://[::1",
        "http://a b",
        "http://u:p@osmo",
        "http://o?a=b&api_key=c",
    ],
)
def test_what_is_no_plain_http_address_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        Endpoint(url=url, model="m")


def test_a_model_of_two_lines_cannot_write_into_the_workers_environment() -> None:
    with pytest.raises(ValidationError):
        Endpoint(url="http://osmo", model="m\nHF_TOKEN=x")


def test_a_missing_output_fails_whatever_the_policy_is() -> None:
    policy = VerdictPolicy(unverified="pass")
    assert [policy.treatment(verdict) for verdict in ("accepted", "unverified", "missing")] == ["pass", "pass", "fail"]


@pytest.mark.parametrize("key", ["pool", "gpu_platform"])
def test_what_osmo_keeps_for_itself_is_no_place_for_gpu_work(key: str) -> None:
    with pytest.raises(ValidationError, match=rf"{key}\n.*'system' is OSMO's own, .* name another one"):
        OsmoConnection.model_validate({"url": "http://osmo", key: "system"})


def test_a_price_is_for_an_hour_of_one_gpu() -> None:
    assert Price(gpu_hour=2.5, currency="EUR").of(gpu_seconds=2 * 3600) == 5.0


@pytest.mark.parametrize(
    "price",
    [{"gpu_hour": -1, "currency": "EUR"}, {"gpu_hour": "nan", "currency": "EUR"}, {"gpu_hour": 1}]
    + [{"gpu_hour": 1, "currency": text} for text in ("euro", "€", "EU", "EUR ")],
)
def test_a_price_that_nobody_can_add_up_is_refused(price: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Price.model_validate(price)


def test_further_tries_need_a_policy_that_keeps_what_is_rejected() -> None:
    said = {"url": "s3://clips/datasets/yard", "deployment": "team", "retry_rejected": 2}
    for rejected in ("pass", "flag"):
        assert Dataset.model_validate(said | {"verdicts": {"rejected": rejected}}).retry_rejected == 2
    with pytest.raises(ValidationError, match=r"retry_rejected and verdicts\.rejected: fail exclude each other"):
        Dataset.model_validate(said | {"verdicts": {"rejected": "fail"}})


@pytest.mark.parametrize("tries", [-1, 11, "many"])
def test_a_number_of_tries_that_makes_no_sense_is_refused(tries: object) -> None:
    with pytest.raises(ValidationError, match="retry_rejected"):
        Dataset.model_validate({"url": "s3://clips/datasets/yard", "deployment": "team", "retry_rejected": tries})
