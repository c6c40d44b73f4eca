"""A file of each gated repository is asked for: that alone tells whether an account has accepted its licence."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from vda_assets.base.patience import NO_PATIENCE, Patience
from vda_assets.readiness.asking import Manners
from vda_assets.readiness.finding import Finding, Level
from vda_assets.readiness.gated import HubFile, check_gated
from vda_assets.readiness.secrets import Secret
from vda_assets_tests.hub_serving import Hub, HubRepository, serving_hub

MEMBER, STRANGER, NOBODY = "hf_member", "hf_stranger", "hf_nobody"
BRISK = Manners(20.0, Patience(5.0, first_pause_seconds=0.01))


def hub_of(**changes: object) -> Hub:
    repositories = {
        "nvidia/gated": HubRepository({"general/edge.pt": b"weights"}, readers={MEMBER}),
        "nvidia/old": HubRepository({}, renamed_to="nvidia/gated"),
        "qwen/open": HubRepository({"model.safetensors": b"weights"}),
    }
    return Hub(repositories, tokens={MEMBER, STRANGER}, **changes)  # type: ignore[arg-type]


def check(
    hub_url: str, *files: tuple[str, str, str], token: str | None = MEMBER, manners: Manners = BRISK
) -> list[Finding]:
    secret = Secret(SecretStr(token), "HF_TOKEN", supplied=True) if token else None
    return check_gated(
        [HubFile(*file) for file in files], token=secret, environment={"HF_ENDPOINT": hub_url}, manners=manners
    )


GATED = ("nvidia/gated", "main", "general/edge.pt")
OLD = ("nvidia/old", "main", "general/edge.pt")
OPEN = ("qwen/open", "main", "model.safetensors")


@pytest.mark.parametrize(
    ("file", "token", "said"),
    [
        (GATED, MEMBER, "HF_TOKEN opens it"),
        (OLD, MEMBER, "HF_TOKEN opens it"),
        (OPEN, STRANGER, "HF_TOKEN opens it"),
        (OPEN, None, "it is open to everybody"),
    ],
)
def test_what_the_hub_gives_is_ready(file: tuple[str, str, str], token: str | None, said: str) -> None:
    with serving_hub(hub_of()) as hub:
        (finding,) = check(hub.url, file, token=token)
    assert (finding.level, finding.message) == (Level.READY, said)


@pytest.mark.parametrize(
    ("file", "token", "begins"),
    [
        (GATED, STRANGER, "accept the licence at {hub}/nvidia/gated with the account whose token is in HF_TOKEN"),
        (OLD, STRANGER, "accept the licence at {hub}/nvidia/old with the account whose token is in HF_TOKEN"),
        (GATED, NOBODY, "accept the licence at {hub}/nvidia/gated with the account whose token is in HF_TOKEN"),
        (GATED, None, "set HF_TOKEN to a token of an account that has accepted the licence at {hub}/nvidia/gated"),
        (("nvidia/gated", "main", "general/seg.pt"), MEMBER, "{hub} has no general/seg.pt at main of nvidia/gated"),
        (("nvidia/gated", "0a", "general/edge.pt"), MEMBER, "{hub} has no general/edge.pt at 0a of nvidia/gated"),
        (("nvidia/none", "main", "general/edge.pt"), MEMBER, "{hub} has no general/edge.pt at main of nvidia/none"),
    ],
)
def test_what_the_hub_refuses_blocks_and_names_that_very_repository(
    file: tuple[str, str, str], token: str | None, begins: str
) -> None:
    with serving_hub(hub_of()) as hub:
        (finding,) = check(hub.url, file, token=token)
    assert finding.level is Level.BLOCKING
    assert finding.message.startswith(begins.format(hub=hub.url))
    assert NOBODY not in finding.message


def test_each_file_has_a_finding_of_its_own_in_order() -> None:
    with serving_hub(hub_of()) as hub:
        findings = check(hub.url, OPEN, GATED, OLD, token=STRANGER)
    levels = [(finding.subject, finding.level) for finding in findings]
    assert levels == [
        ("weights qwen/open", Level.READY),
        ("weights nvidia/gated", Level.BLOCKING),
        ("weights nvidia/old", Level.BLOCKING),
    ]


def test_the_token_goes_nowhere_but_to_the_hub() -> None:
    with serving_hub(hub_of()) as hub:
        check(hub.url, GATED)
    assert [(method, path) for method, path, _ in hub.asked] == [("HEAD", "/nvidia/gated/resolve/main/general/edge.pt")]


def test_a_hub_that_is_busy_is_asked_again() -> None:
    with serving_hub(hub_of(first=[429, 503])) as hub:
        assert [finding.level for finding in check(hub.url, GATED)] == [Level.READY]


@pytest.mark.parametrize("hub_url", ["http://127.0.0.1:9", "http://[", "hub.example.com", "http://127.0.0.1:99999999"])
def test_a_hub_that_cannot_be_asked_stops_nothing(hub_url: str) -> None:
    (finding,) = check(hub_url, GATED, manners=Manners(2.0, NO_PATIENCE))
    assert finding.level is Level.NOTE
    assert f"{hub_url} could not be asked for it" in finding.message
