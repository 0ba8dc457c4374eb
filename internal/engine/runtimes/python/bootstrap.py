"""Starts a Python function: what AWS runs as /var/runtime/bootstrap.py.

It is kept short because the main script is compiled anew on each cold start;
the modules it imports come compiled.
"""


def set_paths():
    """Put the function's code and its layers on sys.path, as AWS does.

    /var/task always comes first. Layers come next, unless the user sets
    PYTHONPATH: then they come last, as site directories.
    """
    import os
    import sys

    task = os.environ.get("LAMBDA_TASK_ROOT") or os.getcwd()
    opt = os.path.join(os.environ.pop("MAYFLY_OPT", "/opt"), "python")
    site = "%s/lib/python%d.%d/site-packages" % ((opt,) + sys.version_info[:2])
    users = "PYTHONPATH" in os.environ
    if not users:
        os.environ["PYTHONPATH"] = os.environ.get("LAMBDA_RUNTIME_DIR") or sys.path[0]
        sys.path[:0] = [site, opt]
    sys.path.insert(0, task)
    sdk = os.environ.pop("MAYFLY_PYTHON_SDK", None)
    if sdk:
        sys.path.append(sdk)
    dirs = [d for d in (site, opt) if os.path.isdir(d)]
    if dirs:
        import site as sites

        for d in dirs:  # the .pth files of layers count
            sites.addsitedir(d)


def prepare():
    """Open the private way to the platform, if there is one, and wait on it to be given a function."""
    import os

    control = os.environ.pop("MAYFLY_ZYGOTE", None)
    descriptor = os.environ.pop("MAYFLY_LINK", None)
    if control:
        from mayfly_runtime import zygote

        descriptor = zygote.serve(int(control))  # returns in what it forks
    if not descriptor:
        set_paths()
        return None
    from mayfly_runtime.link import Link

    link = Link(int(descriptor))
    if "_HANDLER" in os.environ:
        set_paths()
    else:
        from mayfly_runtime import blank

        blank.become(link, set_paths)
    return link


if __name__ == "__main__":
    way = prepare()
    from mayfly_runtime import loop

    loop.run(way)
