"""The process behind `workers.Worker`: answers calls on its standard input until that is closed."""

import sys
import traceback
from importlib import import_module
from multiprocessing.connection import Connection

STANDARD_INPUT = 0


def serve(target: str) -> None:
    connection = Connection(STANDARD_INPUT)
    module, _, name = target.partition(":")
    instance = getattr(import_module(module), name)()
    while True:
        try:
            method, arguments = connection.recv()
        except EOFError:
            return
        try:
            connection.send((True, getattr(instance, method)(**arguments)))
        except Exception:
            connection.send((False, traceback.format_exc()))


if __name__ == "__main__":
    serve(sys.argv[1])
