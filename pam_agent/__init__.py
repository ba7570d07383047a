"""The host's daemon: drives the PAM module, holds the accounts, keeps a link to every relay.

Must never import `relay` or `validator`. ARCHITECTURE.md says which file is pure, shell or edge.
"""
