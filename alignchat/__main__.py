"""`python -m alignchat`."""

import os
import sys

from alignchat.cli import main

if sys.stdout is None:  # Closed by whoever called; else the next file opened would be taken for it.
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - it lives as long as the process

sys.exit(main())
