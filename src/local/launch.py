"""Serves MiniStack on a socket that cellctl has bound, for as long as cellctl wants it.

    launch.py keep            runs until it is told to stop
    launch.py follow DIR      also ends, and removes DIR, when standard input ends: its owner is gone

Standard output is not a stream but the listening socket. cellctl binds it to the loopback address before this
process exists, so nothing here can listen elsewhere and no other process can take the port in between.
"""

import asyncio
import os
import shutil
import signal
import sys
import threading

mode = sys.argv[1]
listener = os.dup(1)
os.dup2(2, 1)
# A closed terminal must not end an instance that is meant to stay.
signal.signal(signal.SIGHUP, signal.SIG_IGN)


def follow(state_dir):
    """Waits for the end of standard input, which the kernel reports however the owner died."""
    while os.read(0, 4096):
        pass
    shutil.rmtree(state_dir, ignore_errors=True)
    # The group holds the workers that run functions, too.
    os.killpg(os.getpgrp(), signal.SIGKILL)


if mode == "follow":
    threading.Thread(target=follow, args=(sys.argv[2],), daemon=True).start()

# Imported late: the import takes half a second, in which the owner may already die.
from hypercorn.asyncio import serve  # noqa: E402
from hypercorn.config import Config  # noqa: E402
from ministack.app import app  # noqa: E402

config = Config()
config.bind = [f"fd://{listener}"]
config.keep_alive_timeout = 75
# Persisted state is written after open requests have ended or this many seconds have passed.
config.graceful_timeout = 1
config.loglevel = "INFO"
asyncio.run(serve(app, config))
