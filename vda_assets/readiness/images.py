"""Whether the images of the selected stages are at their registries, and may be pulled from there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from vda_assets.base.parallel import in_order
from vda_assets.config.deployment import Container, Deployment
from vda_assets.flows.selection import Selection
from vda_assets.flows.stages import Stage
from vda_assets.readiness.credentials import NGC_REGISTRY, NGC_USER
from vda_assets.readiness.finding import Finding, blocking, note, ready
from vda_assets.readiness.registry import Access, Answer, ImageReference, Login, ask_registry
from vda_assets.readiness.secrets import Secret

_SUBJECT = "images"


@dataclass(frozen=True)
class ImageReadiness:
    """`digests` are those that the registries gave."""

    findings: tuple[Finding, ...]
    digests: Mapping[Container, str] = field(default_factory=dict)


def ask_for_images(
    deployment: Deployment,
    selection: Selection,
    *,
    ngc_key: Secret | None,
    registries: Collection[str],
    probe: bool = True,
) -> ImageReadiness:
    """`registries` are those that OSMO has a credential for; the NGC key is shown to NVIDIA's registry alone."""
    containers = sorted({stage.row.container for stage in Stage if stage in selection})
    if not containers:
        return ImageReadiness(())
    if deployment.is_stand_in:
        return ImageReadiness((ready(_SUBJECT, "not asked for: the CPU stand-ins take their place"),))
    if not probe:
        return ImageReadiness((note(_SUBJECT, "not asked for at their registries, as you wish"),))
    logins = {NGC_REGISTRY: Login(NGC_USER, ngc_key.value)} if ngc_key else {}
    images = [deployment.images.of(container) for container in containers]
    answers = dict(
        zip(
            containers,
            in_order(lambda image: ask_registry(image, logins=logins), images, threads=len(images)),
            strict=True,
        )
    )
    return ImageReadiness(
        tuple(
            image_finding(container, deployment.images.of(container), answer, ngc_key=ngc_key, registries=registries)
            for container, answer in answers.items()
        ),
        {container: answer.digest for container, answer in answers.items() if answer.digest},
    )


def image_finding(
    container: Container, image: str, answer: Answer, *, ngc_key: Secret | None, registries: Collection[str]
) -> Finding:
    """What the registry's answer means. The key was shown if the image is NVIDIA's."""
    host = ImageReference.parse(image).host
    if answer.access is Access.GRANTED:
        return ready(_SUBJECT, f"{image} is there{f', {answer.digest}' if answer.digest else ''}")
    if answer.access is Access.MISSING:
        return blocking(_SUBJECT, f"correct images.{container}: {host} has no {image}")
    if answer.access is Access.UNKNOWN:
        return note(_SUBJECT, f"{host} could not be asked for {image} ({answer.cause}); the pool's nodes must reach it")
    if host == NGC_REGISTRY and ngc_key:
        message = (
            f"get the key of {ngc_key.source} access to {image}, or put another key there: {host} refuses it, so the "
            "key's organisation or team may not pull it, or its policy forbids it"
        )
        return blocking(_SUBJECT, message)
    if host in registries:
        message = f"{host} asks for a login for {image}: the one that OSMO has is tried when a workflow is submitted"
        return note(_SUBJECT, message)
    if host == NGC_REGISTRY:
        return blocking(_SUBJECT, f"set NGC_API_KEY to an NGC key that may pull {image}: {host} refuses it without one")
    message = (
        f"give OSMO a credential for {host}, which refuses {image} without one: "
        f"osmo credential set NAME --type REGISTRY --payload registry={host} username=… auth=…"
    )
    return blocking(_SUBJECT, message)
