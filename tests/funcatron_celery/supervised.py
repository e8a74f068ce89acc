"""A supervisor with roles of every temper, for test_supervisor: ``supervised.py ROLE...``"""

import logging
import os
import signal
import subprocess
import sys
import time

from funcatron.errors import SettingsError
from funcatron_celery.process import Role
from funcatron_celery.supervisor import Supervisor


def say(*words):
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def until_told():
    told = []
    signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    while not told:
        time.sleep(0.02)


def serve(child):
    child.ready()
    say("up", child.name, os.getpid())
    until_told()
    say("down", child.name)


def crash(child):
    say("up", child.name, os.getpid())
    os._exit(3)


def die_serving(child):
    child.ready()
    say("up", child.name, os.getpid())
    os.kill(os.getpid(), signal.SIGKILL)


def overdue(child):
    child.ready()
    say("up", child.name, os.getpid())
    child.must_end(time.monotonic() + 0.2)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(60)


def in_time(child):
    child.ready()
    say("up", child.name, os.getpid())
    for _ in range(20):
        child.must_end(time.monotonic() + 0.2)
        time.sleep(0.05)
        child.must_end(None)
    say("done", child.name)
    until_told()


def deaf(child):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child.ready()
    say("up", child.name, os.getpid())
    time.sleep(600)


def parent(child):
    grandchild = subprocess.Popen(["sleep", "60"])
    child.ready()
    say("up", child.name, os.getpid())
    say("up", "grandchild", grandchild.pid)
    until_told()


def misconfigured(child):
    raise SettingsError("the broker is a teapot")


def broken(child):
    raise RuntimeError("a mistake of ours")


def quits(child):
    child.ready()
    say("up", child.name, os.getpid())
    sys.exit(5)


if __name__ == "__main__":
    logging.basicConfig(level="INFO", format="%(message)s", stream=sys.stdout)
    timeout, *names = sys.argv[1:]
    roles = [Role(f"{name}-{number}", globals()[name]) for number, name in enumerate(names)]
    supervisor = Supervisor(roles, shutdown_timeout=float(timeout), grace=0.3, on_ready=lambda: say("ready"))
    code = supervisor.run()
    say("code", code)
    sys.exit(code)
