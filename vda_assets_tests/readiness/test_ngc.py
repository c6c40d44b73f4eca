"""NGC's answer about organisation and team informs, and stops nothing."""

from __future__ import annotations

import pytest

from vda_assets.base.patience import NO_PATIENCE
from vda_assets.readiness.asking import Manners
from vda_assets.readiness.finding import Level
from vda_assets.readiness.ngc import check_team
from vda_assets.readiness.secrets import find_secrets
from vda_assets_tests.osmo.service import Reply, serving

NAMED = {"NGC_API_KEY": "nvapi-0123456789", "NGC_ORG": "my org", "NGC_TEAM": "t"}
BRIEF = Manners(2.0, NO_PATIENCE)


@pytest.mark.parametrize(
    ("reply", "level", "said"),
    [
        (Reply({}), Level.READY, "NGC takes the key of NGC_API_KEY in organisation my org, team t"),
        (Reply({}, 403), Level.NOTE, "NGC answers 403 to"),
        (Reply({}, 503), Level.NOTE, "could not be asked"),
        (Reply(hang_up=True), Level.NOTE, "could not be asked"),
    ],
)
def test_whatever_it_answers_informs(reply: Reply, level: Level, said: str) -> None:
    with serving(lambda asked: reply) as service:
        (finding,) = check_team(find_secrets(NAMED), api=service.url, manners=BRIEF)
    assert finding.level is level
    assert said in finding.message
    assert service.asked[0].headers["authorization"] == "Bearer nvapi-0123456789"
    assert service.asked[0].path.startswith("/v2/org/my%20org/team/t/models/")


@pytest.mark.parametrize("missing", ["NGC_API_KEY", "NGC_ORG", "NGC_TEAM"])
def test_it_is_asked_only_where_key_organisation_and_team_are_known(missing: str) -> None:
    known = {name: value for name, value in NAMED.items() if name != missing}
    assert check_team(find_secrets(known), api="http://127.0.0.1:9", manners=BRIEF) == []
