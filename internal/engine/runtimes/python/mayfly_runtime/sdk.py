"""boto3, imported before there is a function, for one that will import it.

It is kept aside until the function does: not in sys.modules, so that until then
nothing shows. It is handed over only where the function would get the very same:
where sys.path leads to the same files, where nothing that it looked for in vain
is there now, and where the environment that it read is the same. Otherwise it is
dropped, and imported as ever.
"""

import os
import sys
from importlib.machinery import PathFinder

from . import preload


class Kept:
    """A finder and a loader of modules that are imported already."""

    def __init__(self):
        self.modules = {}  # name: module
        self.missed = set()  # what was looked for in vain
        self.read = {}  # variables, as they were
        self.finders = []  # of sys.meta_path, that the modules have added
        self.others = []  # of sys.meta_path, all else

    def find_spec(self, name, path=None, target=None):
        if name not in self.modules or "." in name:
            return None
        if not self.fits():
            self.drop()
            return None
        spec = PathFinder.find_spec(name)
        spec.loader = self
        return spec

    def fits(self):
        env = os.environ
        if any(env.get(name) != value for name, value in self.read.items()):
            return False
        if [f for f in sys.meta_path if f is not self] != self.others:
            return False  # somebody wants to hear of imports
        if any(name in sys.modules or PathFinder.find_spec(name) for name in self.missed):
            return False
        return all(name not in sys.modules and same(PathFinder.find_spec(name), m) for name, m in self.modules.items() if "." not in name)

    def drop(self):
        """Let Python find them. It looks at sys.meta_path meanwhile, and skips the built-in modules: none are meant."""
        self.modules = {}
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def create_module(self, spec):
        """Hand all over at once: they know each other."""
        module = self.modules.get(spec.name)
        if module is None:
            raise ImportError("%s is imported already" % spec.name, name=spec.name)
        self.own = module.__spec__
        sys.modules.update(self.modules)
        sys.meta_path.extend(self.finders)
        self.drop()
        renew()
        return module

    def exec_module(self, module):
        module.__spec__ = self.own


def same(spec, module):
    return spec is not None and spec.origin == module.__spec__.origin


class Missed:
    """A finder that is asked last, and remembers what for."""

    def __init__(self):
        self.names = set()

    def find_spec(self, name, path=None, target=None):
        if "." not in name:
            self.names.add(name)


def load(folder):
    """Import what is in folder for later; return it, or None."""
    before, finders, missed = set(sys.modules), list(sys.meta_path), Missed()
    kept = Kept()
    sys.path.append(folder)
    sys.meta_path.append(missed)
    kind = type(os.environ)
    get = kind.__getitem__

    def noted(env, name):
        kept.read[name] = None
        kept.read[name] = value = get(env, name)
        return value

    kind.__getitem__ = noted
    try:
        import boto3.session  # noqa: F401, all of botocore that a client needs comes with it
    except Exception:  # it is not for this Python, which its function will be told
        kept = None
    finally:
        kind.__getitem__ = get
        sys.path.remove(folder)
        sys.meta_path.remove(missed)
    new = set(sys.modules) - before
    tops = {n for n in new if "." not in n and (getattr(sys.modules[n], "__file__", None) or "").startswith(folder + os.sep)}
    modules = {n: sys.modules.pop(n) for n in new if n.partition(".")[0] in tops}
    if kept:
        kept.modules, kept.missed, kept.others = modules, missed.names - {"nt"}, finders
        kept.finders = [f for f in sys.meta_path if f not in finders]
    sys.meta_path[:] = finders
    preload.added.update(new.difference(modules))
    forget()
    return kept


def forget():
    """Forget what is of this process, and not of its forks."""
    platform = sys.modules.get("platform")
    if platform:
        platform._uname_cache = None  # has the name of the host


def reseed():
    """Make random what a library below has of random state.

    OpenSSL knows a fork by its process number, and numbers are the same in
    different sandboxes.
    """
    ssl = sys.modules.get("_ssl")
    if ssl:
        ssl.RAND_add(os.urandom(64), 64.0)
    process = sys.modules.get("multiprocessing.process")
    if process:
        process.current_process().authkey = os.urandom(32)


def renew():
    """Find out anew what depends on the network."""
    connection = sys.modules.get("urllib3.util.connection")
    if hasattr(connection, "_has_ipv6"):
        connection.HAS_IPV6 = connection._has_ipv6("::1")


def offer(shadowed):
    """Have the function find what was imported, unless a module of its own has come before what that uses."""
    reseed()
    if kept and shadowed:
        kept.drop()
    elif kept:
        sys.meta_path.insert(0, kept)


folder = os.environ.pop("MAYFLY_PRELOAD_SDK", None)
kept = load(folder) if folder else None
