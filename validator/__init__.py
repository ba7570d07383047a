"""The user's program on a second device: shows who is signing on where, and carries the decision.

Must never import `relay` or `pam_agent`.
"""
