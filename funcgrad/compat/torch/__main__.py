"""`python -m funcgrad.compat.torch script.py [args]`: run a PyTorch script on the layer."""

import os
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from funcgrad.compat.torch import install, respawned

USAGE = "usage: python -m funcgrad.compat.torch script.py [arguments]"


def main() -> int:
    """Run the script of the command line with `torch` resolved to the layer.

    Returns:
        The exit status: 1 if the script raised an error, 2 if there is no script.
    """
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        print(USAGE)
        return 0 if len(sys.argv) > 1 else 2
    script = os.path.abspath(sys.argv[1])  # as Python does: links are kept
    try:
        source = Path(script).read_bytes()
    except OSError as error:
        print(f"{USAGE}\ncannot open {sys.argv[1]!r}: {error.strerror}", file=sys.stderr)
        return 2
    install()
    sys.argv = sys.argv[1:]
    sys.path[0] = str(Path(script).resolve().parent)
    try:
        run(script, source)
    except Exception as error:  # noqa: BLE001  # shown as Python itself shows it
        shown = error.with_traceback(_of_script(error.__traceback__))
        sys.excepthook(type(error), shown, shown.__traceback__)
        return 1
    return 0


def run(script: str, source: bytes) -> None:
    """Run a script as the module `__main__`."""
    module: Any = ModuleType("__main__")
    module.__file__ = script
    # What processes that it spawns import in its place.
    module.__spec__ = ModuleSpec(respawned.__name__, None)
    os.environ[respawned.SCRIPT] = str(Path(script).resolve())
    module.__builtins__ = __builtins__
    sys.modules["__main__"] = module
    exec(compile(source, script, "exec"), vars(module))


def _of_script(traceback: TracebackType | None) -> TracebackType | None:
    """The frames of the script: those above `main` and `run`."""
    for _ in range(2):
        if traceback is not None and traceback.tb_frame.f_code.co_filename == __file__:
            traceback = traceback.tb_next
    return traceback


if __name__ == "__main__":
    raise SystemExit(main())
