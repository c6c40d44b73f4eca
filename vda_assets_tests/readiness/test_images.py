"""What a registry's answer means for a run: ready, a note, or a stop that names the one thing to do."""

from __future__ import annotations

from collections.abc import Collection

import pytest
from pydantic import SecretStr

from vda_assets.config.deployment import Container, Deployment
from vda_assets.flows.selection import FLOWS, selection_of
from vda_assets.flows.stages import Rendered
from vda_assets.readiness.finding import Level
from vda_assets.readiness.images import ImageReadiness, ask_for_images, image_finding
from vda_assets.readiness.registry import Access, Answer
from vda_assets.readiness.secrets import Secret
from vda_assets_tests.registry_serving import DIGEST, Registry, serving_registry

KEY = Secret(SecretStr("nvapi-0123456789"), "NVIDIA_API_KEY", supplied=True)
AUGMENTATION, LABELLING = "nvidia/paidf-augmentation:1.0.0", "nvidia/paidf-auto-labeling:1.0.0"


def deployment(registry: Registry, **more: object) -> Deployment:
    images = {"augmentation": registry.image(AUGMENTATION), "auto_labeling": registry.image(LABELLING)}
    return Deployment.model_validate({"osmo": {"url": "http://osmo.example.com"}, "images": images, **more})


def ask(
    registry: Registry, flow: str = "e2e", *, registries: Collection[str] = (), probe: bool = True
) -> ImageReadiness:
    return ask_for_images(deployment(registry), FLOWS[flow], ngc_key=KEY, registries=registries, probe=probe)


def test_each_image_of_the_flow_is_found_with_its_digest() -> None:
    with serving_registry(Registry({AUGMENTATION, LABELLING}, login="none")) as registry:
        found = ask(registry)
    assert [(one.level, one.message) for one in found.findings] == [
        (Level.READY, f"{registry.image(AUGMENTATION)} is there, {DIGEST}"),
        (Level.READY, f"{registry.image(LABELLING)} is there, {DIGEST}"),
    ]
    assert found.digests == {Container.AUGMENTATION: DIGEST, Container.AUTO_LABELING: DIGEST}


def test_only_images_of_the_flow_are_asked_for() -> None:
    with serving_registry(Registry({LABELLING}, login="none")) as registry:
        assert set(ask(registry, "auto_labeling").digests) == {Container.AUTO_LABELING}
    assert {path for _, path, _ in registry.asked} == {"/v2/nvidia/paidf-auto-labeling/manifests/1.0.0"}


def test_a_missing_tag_stops_and_names_the_key_to_correct() -> None:
    with serving_registry(Registry({LABELLING}, login="none")) as registry:
        missing, there = ask(registry).findings
    assert (missing.level, there.level) == (Level.BLOCKING, Level.READY)
    assert missing.message == (f"correct images.augmentation: {registry.host} has no {registry.image(AUGMENTATION)}")


def test_the_key_of_ngc_is_shown_to_no_other_registry() -> None:
    with serving_registry(Registry({AUGMENTATION, LABELLING})) as registry:
        findings = ask(registry).findings
    assert [one.level for one in findings] == [Level.BLOCKING, Level.BLOCKING]
    assert findings[0].message.startswith(f"give OSMO a credential for {registry.host}")
    assert registry.shown == set()


def test_where_osmo_has_a_login_it_decides() -> None:
    with serving_registry(Registry({AUGMENTATION, LABELLING})) as registry:
        findings = ask(registry, registries={registry.host}).findings
    assert [one.level for one in findings] == [Level.NOTE, Level.NOTE]


@pytest.mark.parametrize(
    ("access", "key", "registries", "level", "begins"),
    [
        (Access.REFUSED, KEY, (), Level.BLOCKING, "get the key of NVIDIA_API_KEY access to nvcr.io/"),
        (Access.REFUSED, KEY, {"nvcr.io"}, Level.BLOCKING, "get the key of NVIDIA_API_KEY access to nvcr.io/"),
        (Access.REFUSED, None, (), Level.BLOCKING, "set NGC_API_KEY to an NGC key that may pull nvcr.io/"),
        (Access.REFUSED, None, {"nvcr.io"}, Level.NOTE, "nvcr.io asks for a login for nvcr.io/"),
        (Access.UNKNOWN, KEY, (), Level.NOTE, "nvcr.io could not be asked for nvcr.io/"),
    ],
)
def test_a_refusal_of_nvidias_registry_says_whose_key_must_be_let_in(
    access: Access, key: Secret | None, registries: Collection[str], level: Level, begins: str
) -> None:
    finding = image_finding(
        Container.AUGMENTATION, f"nvcr.io/{AUGMENTATION}", Answer(access), ngc_key=key, registries=registries
    )
    assert finding.level is level
    assert finding.message.startswith(begins)
    assert "0123" not in finding.message


def test_nobody_is_asked_where_nobody_is_to_be() -> None:
    with serving_registry(Registry()) as registry:
        (skipped,) = ask(registry, probe=False).findings
        embedded = {"state_folder": "/x", "workflow_data_url": "file:///x", "platforms": {}, "images": {}}
        stand_in = deployment(registry, osmo_local=embedded)
        (stands_in,) = ask_for_images(stand_in, FLOWS["e2e"], ngc_key=KEY, registries=()).findings
        rendered = selection_of([Rendered.COMPARISONS])
        assert ask_for_images(deployment(registry), rendered, ngc_key=KEY, registries=()).findings == ()
    assert (skipped.level, stands_in.level) == (Level.NOTE, Level.READY)
    assert registry.asked == []
