"""Run a Python module whose forked children die with it: python -m scripts.stack.family MODULE ...

When the master of gunicorn or Celery is killed with -9, its workers would go on for a while, hold
the port and take tasks.
"""

import os
import runpy
import sys
import threading

from scripts.stack.process import die_with_parent


def main() -> None:
    parent: int | None = None

    def before() -> None:
        nonlocal parent
        # The kernel means the thread that forks: a child of a passing thread must not die with it.
        in_main = threading.current_thread() is threading.main_thread()
        parent = os.getpid() if in_main else None

    def after_in_child() -> None:
        if parent is not None:
            die_with_parent(parent=parent)

    os.register_at_fork(before=before, after_in_child=after_in_child)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
