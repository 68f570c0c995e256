"""Serves the page, and the HTTP API beside it: the one place that knows both."""

from alignchat.api import Api, key_of
from alignchat.config import Settings
from alignchat.ui import server


def serve(settings: Settings, *, open_browser: bool, insecure_lan: bool = False) -> int:
    """Serve until SIGTERM or Ctrl-C and return 0; raise one of `errors.EXPECTED` if it cannot begin.

    `insecure_lan` lets other machines in without TLS.
    """
    key_of(settings.api)
    return server.serve(settings, Api, open_browser=open_browser, insecure_lan=insecure_lan)
