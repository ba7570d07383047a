"""The same run everywhere: hypothesis's examples, and what a program inherits of signals.

Whatever starts the tests in the background may ignore Ctrl-C, and a process inherits that.
"""

import os
import signal

from hypothesis import settings

settings.register_profile("ci", max_examples=150, derandomize=True, deadline=None, print_blob=True)
settings.register_profile("deep", max_examples=5000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
