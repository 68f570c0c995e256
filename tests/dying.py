"""Processes that die or are refused something by the system; for tests of what they leave.

    python -m tests.dying life      chat, vote, choose, rename, publish and use a round in a folder
    python -m tests.dying work      be the worker of a round's folder

For each line on stdin, [how, n, folder] in JSON, a forked process begins or goes on there, and a line on
stdout tells its exit status. `how` is touch: SIGKILL before the n-th call that touches a file; change:
before the n-th that changes one; disk: no file larger than n bytes; memory: n bytes more than it has. What
`life` has acknowledged is in the file beside its folder that ends in .acknowledged, a JSON value a line.
"""

import fcntl
import io
import json
import os
import resource
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from alignchat import config, worker
from alignchat.engine import ScriptedEngine
from alignchat.loop import Loop
from tests.made_rounds import add_round

FILES = (io.FileIO, io.BufferedWriter, io.BufferedRandom, io.TextIOWrapper)
CHANGES = {
    *(os.write, os.fsync, os.fdatasync, os.rename, os.replace, os.unlink, os.remove, os.mkdir, os.rmdir),
    *(os.truncate, os.ftruncate, os.link),
}
# In a life as short as here it may die between any two; a worker opens thousands of files to read them.
TOUCHES = CHANGES | {os.open, io.open, os.utime, fcntl.flock}


def die_before(n: int, calls: set[Any], methods: set[str]) -> None:
    """Kill this process before its n-th call, in whatever thread, of these functions and methods of files."""
    left, lock = [n], threading.Lock()

    def watch(_frame: Any, event: str, called: Any) -> None:
        if event != "c_call":
            return
        owner = getattr(called, "__self__", None)
        if called in calls or (isinstance(owner, FILES) and called.__name__ in methods):
            with lock:
                left[0] -= 1
                if not left[0]:
                    os.kill(os.getpid(), signal.SIGKILL)

    threading.setprofile(watch)
    sys.setprofile(watch)


def refuse(how: str, n: int) -> None:
    """Let the system kill or refuse from here on."""
    if how == "touch":
        die_before(n, TOUCHES, {"write", "flush", "close", "truncate"})
    elif how == "change":
        die_before(n, CHANGES, {"write"})
    elif how == "disk":
        resource.setrlimit(resource.RLIMIT_FSIZE, (n, n))
        os.dup2(os.open("/dev/full", os.O_WRONLY), sys.stderr.fileno())  # so is the log's disk
    else:
        has = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (has + n, has + n))


def live(folder: Path) -> None:
    """Do a bit of everything, and tell of each act once it is done."""
    told = os.open(f"{folder}.acknowledged", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def done(*fact: object) -> None:
        watching = sys.getprofile()
        sys.setprofile(None)
        os.write(told, (json.dumps(fact) + "\n").encode())
        sys.setprofile(watching)

    with Loop.open(config.load(folder), lambda: ScriptedEngine(lambda *_: "one two")) as loop:
        *_, reply = loop.reply(None, "first")
        done("reply", reply.completion_id, "one two")
        loop.rate(reply.completion_id, True)
        done("up", reply.completion_id)
        *_, (left, right) = loop.compare("second")
        assert left
        assert right
        done("reply", left.completion_id, "one two")
        loop.choose(left.completion_id, right.completion_id, "left")
        done("chosen", left.completion_id)
        stopped = loop.reply(reply.conversation_id, "third")
        kept = next(stopped).completion_id
        stopped.close()
        done("reply", kept, "one")
        loop.conversations.rename(reply.conversation_id, "renamed")
        done("title", reply.conversation_id, "renamed")
        for _ in range(2):
            number = add_round(loop)
            done("round", number)
            loop.rounds.activate(number)
            done("active", number)
        loop.feedback.compact()


def main(what: str) -> None:
    """Fork for each line on stdin."""
    if what == "work":
        from alignchat.evaluation import kept, plan, run  # noqa: F401
        from alignchat.formats import conversion  # noqa: F401 - loaded once for all
        from alignchat.llamacpp import llama_engine, weights  # noqa: F401 - loaded once for all
        from alignchat.training import checkpoints, load, trainer  # noqa: F401
    for line in sys.stdin:
        how, n, folder = json.loads(line)
        if not (child := os.fork()):
            refuse(how, n)
            if what == "life":
                live(Path(folder))
                os._exit(0)
            sys.argv = ["worker", folder]
            os._exit(worker.main())
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
