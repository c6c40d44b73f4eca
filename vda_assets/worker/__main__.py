"""Lets NVIDIA's container work on one clip inside its own image; `start.sh` starts it.

Standard library only, Python 3.10 and newer: the package is written to a run's setup folder and started there by OSMO.
The container's exit code proves nothing (paidf-augmentation 1.0.0 exits 0 on failure), so what must exist is looked
for, and `outcome.json` is written last. OSMO uploads in no order: readers compare every file with the list in it.

Exit codes, each but the first with one line `vda_worker: FAILED: <reason>`:
  0   done: the output is whole; the marker says so if the container failed after it had made the clip
  64  bad setup: an argument, the setup folder, or the container's command
  65  not exactly one clip
  69  an endpoint is not ready
  70  the container exited 0 but left something out, or left it damaged
  73  the disk is full, for the worker or for the container
  74  a file cannot be read or written
  75  the container was killed because it kept silent for CONTAINER_SILENCE_TIMEOUT_SECONDS
  any other: the container's own, 128 + n when signal n killed it
"""

import sys
from pathlib import Path

if not __package__:
    # Started as a folder, Python finds the folder's own modules alone. The copy that was started goes before any other.
    sys.path[0] = str(Path(__file__).absolute().parents[2])

from vda_assets.worker.run import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
