"""What Dagster loads: the definitions of everything in assets_cfg/."""

import gc
import os

import dagster as dg

from vda_assets.base.json_log import log_as_asked
from vda_assets.dagster_defs.build import build_definitions
from vda_assets.project import load_project


@dg.definitions
def defs() -> dg.Definitions:
    log_as_asked(os.environ)
    # What is built stays for as long as the process: to look through all of it again and again for garbage costs a
    # sixth of the time that 200 datasets take to load.
    gc.disable()
    try:
        built = build_definitions(load_project())
    finally:
        gc.freeze()
        gc.enable()
    # A run is one step that waits for OSMO: a process of its own for it would cost 100 MB and seconds for nothing.
    return dg.Definitions.merge(dg.Definitions(executor=dg.in_process_executor), built)
