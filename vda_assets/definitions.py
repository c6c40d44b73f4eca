"""What Dagster loads: the definitions of everything in assets_cfg/."""

import dagster as dg

from vda_assets.dagster_defs.build import build_definitions
from vda_assets.project import load_project


@dg.definitions
def defs() -> dg.Definitions:
    return build_definitions(load_project())
