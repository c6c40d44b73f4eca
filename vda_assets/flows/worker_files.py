"""What a run's setup holds of this project itself: the worker, to be read and started where it lies."""

from __future__ import annotations

from importlib import resources

# What bash is given to start a worker with; it finds the image's interpreter.
START_SCRIPT = "start.sh"


def worker_files() -> dict[str, bytes]:
    """Path below `setup_b0/` -> content: the worker as a package that needs nothing else of the project."""
    worker = resources.files("vda_assets.worker")
    modules = [path for path in worker.iterdir() if path.name.endswith(".py")]
    return {
        START_SCRIPT: worker.joinpath(START_SCRIPT).read_bytes(),
        "vda_assets/__init__.py": b"# Of the whole project, a run's setup holds the package `worker` alone.\n",
        **{f"vda_assets/worker/{path.name}": path.read_bytes() for path in modules},
    }
