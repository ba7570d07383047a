"""The blind relay: queues requests of agents, pairs validators with them, forwards their frames.

Must never import `pam_agent`, `validator`, or any part of `protocol` that could decrypt; an import
contract in pyproject.toml makes that a build failure.
"""
