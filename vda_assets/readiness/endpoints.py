"""The endpoints that the containers ask: whether they serve, and the cluster's own NIMs brought up if not."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from pydantic import SecretStr

from vda_assets.base.clock import SYSTEM_CLOCK, Clock
from vda_assets.base.patience import Patience, say_nothing
from vda_assets.config.deployment import Deployment, Endpoint, Role
from vda_assets.config.endpoint_url import may_have_the_ngc_key
from vda_assets.nims.access import open_cluster
from vda_assets.nims.catalogue import NAMESPACE, Nim, nim_at
from vda_assets.nims.cluster import Cluster
from vda_assets.nims.deploying import Keys, bring_up
from vda_assets.nims.errors import NimError, NoCluster
from vda_assets.nims.looking import look
from vda_assets.readiness.finding import Finding, blocking, cold, note, ready
from vda_assets.readiness.served_models import Answer, ask_for_models

# A cluster that is away for a moment must not end a download of an hour; a mere look is not worth waiting for.
_PATIENCE, _PATIENCE_OF_A_LOOK = Patience(120), Patience(5)
_NO_LIST_OF_MODELS = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}


@dataclass(frozen=True)
class _Looked:
    """What was found of one endpoint, and the NIM that can be brought up to mend it."""

    finding: Finding
    to_bring_up: Nim | None = None


def check_endpoint(
    deployment: Deployment,
    role: Role,
    *,
    ngc_key: SecretStr | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Finding:
    """Whether the endpoint lists a model; `role` is one of `endpoints_of`. Changes nothing.

    A NIM of the cluster whose name means nothing here is asked for in Kubernetes. What cannot be seen from here is a
    note, workers wait for it. A generator of videos need not list models: that it answers is enough.
    """
    return _Checker(deployment, ngc_key, environment).look(role).finding


def repair_endpoints(
    deployment: Deployment,
    roles: Sequence[Role],
    *,
    keys: Keys,
    log: Callable[[str], None],
    clock: Clock = SYSTEM_CLOCK,
    environment: Mapping[str, str] = os.environ,
) -> list[Finding]:
    """The findings of `check_endpoint`, after the cluster's own NIMs that do not serve were deployed or repaired.

    That takes 10 to 15 minutes, and is told to `log` at least every two. What keeps one from serving blocks.
    """
    checker = _Checker(deployment, keys.ngc, environment)
    looked = {role: checker.look(role) for role in roles}
    # Two roles may ask the same NIM.
    serve = {
        one.to_bring_up: lambda role=role: bool(checker.ask(role).models)
        for role, one in looked.items()
        if one.to_bring_up
    }
    if not serve:
        return [one.finding for one in looked.values()]
    try:
        failed = bring_up(checker.open_cluster(_PATIENCE, clock, log), serve, keys=keys, clock=clock, log=log)
    except NimError as error:
        failed = dict.fromkeys(serve, error)
    return [_after(checker, role, one, failed) for role, one in looked.items()]


def _after(checker: _Checker, role: Role, before: _Looked, failed: Mapping[Nim, NimError]) -> Finding:
    nim = before.to_bring_up
    if nim and nim in failed:
        return blocking(_subject(role), f"the NIM {nim.name}: {failed[nim]}")
    return checker.look(role).finding if nim else before.finding


class _Checker:
    def __init__(self, deployment: Deployment, ngc_key: SecretStr | None, environment: Mapping[str, str]) -> None:
        self._deployment, self._ngc_key, self._environment = deployment, ngc_key, environment

    def look(self, role: Role) -> _Looked:
        endpoint = self._deployment.endpoints.of(role)
        if endpoint is None:
            return _Looked(blocking(_subject(role), f"give the deployment endpoints.{role}: it is missing"))
        answer = self.ask(role)
        if answer.models:
            return _Looked(ready(_subject(role), self._serves(endpoint, answer)))
        if role is Role.VIDEO_TRANSFER and answer.status in _NO_LIST_OF_MODELS:
            return _Looked(ready(_subject(role), f"{endpoint.url} answers"))
        nim = nim_at(endpoint.url) if not answer.wants_a_key else None
        return self._of_nim(nim, role, answer) if nim else _Looked(self._of_another(endpoint, role, answer))

    def ask(self, role: Role) -> Answer:
        endpoint = self._deployment.endpoints.of(role)
        assert endpoint is not None
        return ask_for_models(endpoint.url, self._key(endpoint))

    def open_cluster(
        self, patience: Patience, clock: Clock = SYSTEM_CLOCK, log: Callable[[str], None] = say_nothing
    ) -> Cluster:
        access = self._deployment.kubernetes
        context = access.context if access else None
        return open_cluster(context, environment=self._environment, patience=patience, clock=clock, log=log)

    def _key(self, endpoint: Endpoint) -> SecretStr | None:
        """Its own; without one, the NGC key for NVIDIA's hosts and the cluster's alone."""
        if endpoint.api_key_env:
            value = self._environment.get(endpoint.api_key_env, "").strip()
            return SecretStr(value) if value else None
        return self._ngc_key if may_have_the_ngc_key(endpoint.url) else None

    def _serves(self, endpoint: Endpoint, answer: Answer) -> str:
        model = endpoint.model if endpoint.model in answer.models else answer.models[0]
        instead = f" instead of {endpoint.model}" if model != endpoint.model else ""
        stands_in = ", a stand-in that answers no prompt" if self._deployment.is_stand_in else ""
        return f"{answer.base} serves {model}{instead}{stands_in}"

    def _of_nim(self, nim: Nim, role: Role, answer: Answer) -> _Looked:
        """One of the two that this project deploys."""
        subject = _subject(role)
        try:
            seen = look(self.open_cluster(_PATIENCE_OF_A_LOOK), nim)
        except NimError as error:
            unseen = f"the {role} at {nim.url} does not answer here ({answer.trouble}); workers wait for it"
            finding = note(subject, f"{unseen}. Its NIM was not looked at: {error}")
            return _Looked(finding, None if isinstance(error, NoCluster) else nim)
        # A name that means nothing here says nothing of who has it; an answer does.
        if seen.is_ready and answer.status is None:
            alone = "" if seen.is_as_specified else ". Its spec is not this project's, it is left alone"
            return _Looked(ready(subject, f"the NIM {nim.name} in {NAMESPACE} is Ready; not reached from here{alone}"))
        said = "" if answer.status is None else f", and its endpoint: {answer.trouble}"
        return _Looked(cold(subject, f"the NIM {nim.name} in {NAMESPACE} does not serve: {seen.why}{said}"), nim)

    def _of_another(self, endpoint: Endpoint, role: Role, answer: Answer) -> Finding:
        """Whose service it is nobody here knows: it is never repaired."""
        subject, whom = _subject(role), f"the {role} at {endpoint.url}"
        variable = endpoint.api_key_env
        if answer.wants_a_key and variable is None:
            return blocking(
                subject, f"name the variable with the key of {whom} as endpoints.{role}.api_key_env: it wants one"
            )
        if answer.wants_a_key and not self._environment.get(variable or "", "").strip():
            return note(subject, f"{whom} was not checked: {variable}, its key, is not set here")
        if answer.wants_a_key:
            return blocking(subject, f"correct the key in {variable}: {whom} refuses it ({answer.trouble})")
        if answer.may_change:
            then = "workers ask it without waiting" if role is Role.VIDEO_TRANSFER else "workers wait for it"
            return note(subject, f"{whom} does not answer here ({answer.trouble}); {then}")
        return blocking(
            subject, f"correct endpoints.{role}.url, or start its model: {whom} lists no model ({answer.trouble})"
        )


def _subject(role: Role) -> str:
    return f"endpoint {role}"
