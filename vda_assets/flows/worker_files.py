"""What a run's setup holds of this project itself: the worker, to be read and started where it lies."""

from __future__ import annotations

from importlib import resources

# The folder that a worker is started as.
WORKER_FOLDER = "vda_assets/worker"


def worker_files() -> dict[str, bytes]:
    """Path below `setup_b0/` -> content: the worker as a package that needs nothing else of the project."""
    modules = [path for path in resources.files("vda_assets.worker").iterdir() if path.name.endswith(".py")]
    return {
        "vda_assets/__init__.py": b"# Of the whole project, a run's setup holds the package `worker` alone.\n",
        **{f"{WORKER_FOLDER}/{path.name}": path.read_bytes() for path in modules},
    }
