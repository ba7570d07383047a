"""The wire and the sign-on protocol. Pure: bytes, values and times come in, values come out.

Nothing below this folder knows a socket, a clock, a file or Trio. SPEC.md is the authority;
the modules implement it section by section.
"""
