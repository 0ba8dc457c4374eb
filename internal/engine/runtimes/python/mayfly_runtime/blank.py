"""A process that is started before it is known for which function."""

import os
import time

from . import loop  # noqa: F401, all that will be needed is imported now
from .preload import unshadow


def become(link, set_paths):
    """Wait for the assignment, and make the process what it would be had it been started with it."""
    assume(link.assignment())
    set_paths()
    unshadow()


def assume(env):
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    os.chdir(env.get("LAMBDA_TASK_ROOT", "/var/task"))
    forget_home()


def forget_home():
    """Let site find the user's own packages anew: the home is known only now."""
    import site

    if "HOME" in os.environ:
        site.USER_BASE = site.USER_SITE = None
        site.getusersitepackages()
