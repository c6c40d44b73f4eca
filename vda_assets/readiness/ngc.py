"""Whether the NGC key works for the organisation and team that the user named. It informs, and stops nothing."""

from __future__ import annotations

from urllib.parse import quote

from vda_assets.readiness.asking import MANNERS, Manners, NotNow, converse
from vda_assets.readiness.finding import Finding, note, ready
from vda_assets.readiness.secrets import Secrets

_API = "https://api.ngc.nvidia.com"
_MODEL = "models/cosmos-anomalygen-pcb/versions/1.0"


def check_team(secrets: Secrets, *, api: str = _API, manners: Manners = MANNERS) -> list[Finding]:
    """Nothing unless organisation, team and key are known."""
    key, org, team = secrets.ngc_key, secrets.ngc_org, secrets.ngc_team
    if not (key and org and team):
        return []
    url = f"{api}/v2/org/{quote(org, safe='')}/team/{quote(team, safe='')}/{_MODEL}"
    headers = {"authorization": f"Bearer {key.reveal()}"}
    whose = f"the key of {key.source} in organisation {org}, team {team}"
    try:
        reply = converse(lambda asker: asker.ask("GET", url, headers=headers), whom=api, manners=manners)
    except NotNow as error:
        return [note("ngc team", f"NGC could not be asked about {whose} ({error})")]
    if reply.status == 200:
        return [ready("ngc team", f"NGC takes {whose}")]
    return [note("ngc team", f"NGC answers {reply.status} to {whose}; it need not matter, the registry decides")]
