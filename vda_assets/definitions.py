"""What Dagster loads: the definitions of everything in assets_cfg/."""

import os

import dagster as dg

from vda_assets.base.json_log import log_as_asked
from vda_assets.dagster_defs.build import build_definitions
from vda_assets.project import load_project


@dg.definitions
def defs() -> dg.Definitions:
    log_as_asked(os.environ)
    return build_definitions(load_project())
