"""`python -m alignchat`."""

import sys

from alignchat.cli import main

sys.exit(main())
