"""What Dagster loads: the definitions of everything in assets_cfg/."""

import dagster as dg

from vda_assets.dagster_defs.build import build_definitions
from vda_assets.project import load_project


@dg.definitions
def defs() -> dg.Definitions:
    # A run is one step that waits for OSMO: a process of its own for it would cost 100 MB and seconds for nothing.
    return dg.Definitions.merge(dg.Definitions(executor=dg.in_process_executor), build_definitions(load_project()))
