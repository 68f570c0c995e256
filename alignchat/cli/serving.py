"""The command `serve`: opens the page. It is what a call without a command does, and what `app.py` is."""

import argparse
import contextlib
from typing import Any

from alignchat.cli.parsing import add_data, bare_command
from alignchat.config import Settings


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = bare_command(commands, "serve", serve)
    add_data(parser, default=argparse.SUPPRESS)
    parser.add_argument("--model", metavar="NAME_OR_PATH", help="a model's name, or the path of a GGUF file")
    parser.add_argument(
        "--host", metavar="H", help="address to listen on; another machine's needs users and TLS"
    )
    parser.add_argument("--port", type=int, metavar="N", help="port to listen on (7860)")
    parser.add_argument(
        "--insecure-lan", action="store_true", help="serve other machines without TLS: passwords can be read"
    )
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")


def serve(settings: Settings, options: argparse.Namespace) -> Any:
    """Open the page in a browser, and serve it until stopped; so does a call without a command."""
    from alignchat.serving import serve as run

    with contextlib.suppress(KeyboardInterrupt):
        run(settings, open_browser=not options.no_browser, insecure_lan=options.insecure_lan)
