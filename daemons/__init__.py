"""What a daemon owes the machine that it runs on and its operator, the same for both of ours.

Knows no program, and of the protocol only text and addresses. ARCHITECTURE.md says why it is here.
"""
