"""Runs inside NVIDIA's images; `__main__.py` says how."""
