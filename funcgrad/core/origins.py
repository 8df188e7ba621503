"""Where in the user's program a value comes from: its line, and the variable it is assigned to.

The name is read from the bytecode: the instruction after the one that computes is the assignment.
So it is known without the source text, in an interactive session too.
"""

import dis
import functools
import itertools
import linecache
import sys
from types import CodeType, FrameType
from typing import NamedTuple

from funcgrad.errors import outside

__all__ = ["UNKNOWN", "Origin", "here"]

_RETURNED = "<returned>"
_COPIES = frozenset({"COPY", "NOP"})
_ASSIGNMENTS = ("STORE_FAST", "STORE_NAME", "STORE_GLOBAL", "STORE_DEREF")


class Origin(NamedTuple):
    """A line of the user's program, and a name for what it computes.

    Attributes:
        file: file name, as Python knows it.
        line: its number.
        function: in which it stands.
        name: of the variable; `""` if there is none.
    """

    file: str
    line: int
    function: str
    name: str

    @property
    def text(self) -> str:
        """The source line without its indentation; `""` if it is not known."""
        return linecache.getline(self.file, self.line).strip()

    def __str__(self) -> str:
        return f"{self.file}:{self.line}, in {self.function}" if self.file else "an unknown line"


UNKNOWN = Origin("", 0, "", "")


def here() -> Origin:
    """The origin of what funcgrad was just called for."""
    frame = outside(sys._getframe(1))
    if frame is None:
        return UNKNOWN
    code = frame.f_code
    return Origin(code.co_filename, frame.f_lineno, code.co_name, _name(frame))


def _name(frame: FrameType) -> str:
    """The variable that the running instruction's value is assigned to, here or by a caller."""
    found = _assignments(frame.f_code).get(frame.f_lasti, "")
    while found == _RETURNED:
        caller = frame.f_back
        if caller is None or outside(caller) is not caller:
            return ""
        frame = caller
        found = _assignments(frame.f_code).get(frame.f_lasti, "")
    return found


@functools.lru_cache(maxsize=1024)
def _assignments(code: CodeType) -> dict[int, str]:
    """By the offset of an instruction the variable that its value goes to next."""
    found = {}
    instructions = [i for i in dis.get_instructions(code) if i.opname not in _COPIES]
    for one, after in itertools.pairwise(instructions):
        if after.opname == "RETURN_VALUE":
            found[one.offset] = _RETURNED
        elif after.opname.startswith(_ASSIGNMENTS):
            name = after.argval[0] if isinstance(after.argval, tuple) else after.argval
            found[one.offset] = str(name)
    return found
