"""Opens the page in a browser: reads the arguments and serves until stopped."""

import argparse
import sys
from pathlib import Path
from typing import Any

from alignchat import config
from alignchat.errors import EXPECTED
from alignchat.files import hold_standard_streams
from alignchat.serving import serve


def main() -> int:
    """Serve until stopped; return 0, or 1 with one sentence on stderr if it cannot begin."""
    hold_standard_streams()
    options = _parser().parse_args()
    server = {"host": options.host, "port": options.port}
    arguments: dict[str, Any] = {"server": {key: value for key, value in server.items() if value is not None}}
    if options.model:
        arguments["model"] = options.model
    try:
        settings = config.load(options.data, **arguments)
        return serve(settings, open_browser=not options.no_browser, insecure_lan=options.insecure_lan)
    except EXPECTED as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Chat, say what is good, retrain, and talk to the result.")
    parser.add_argument("--data", type=Path, metavar="DIR", help="data folder; $ALIGNCHAT_HOME, else ./data")
    parser.add_argument("--model", metavar="NAME_OR_PATH", help="a model's name, or the path of a GGUF file")
    parser.add_argument(
        "--host", metavar="H", help="address to listen on; another machine's needs users and TLS"
    )
    parser.add_argument("--port", type=int, metavar="N", help="port to listen on (7860)")
    parser.add_argument(
        "--insecure-lan", action="store_true", help="serve other machines without TLS: passwords can be read"
    )
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    return parser


if __name__ == "__main__":
    sys.exit(main())
