"""Opens the page in a browser: `alignchat serve`, by the name it has in a checkout."""

import sys

from alignchat.cli import main

if __name__ == "__main__":
    sys.exit(main(["serve", *sys.argv[1:]]))
