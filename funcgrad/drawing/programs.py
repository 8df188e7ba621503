"""The picture of a recorded program."""

from funcgrad.core.program import Constant, Program, Variable
from funcgrad.drawing.picture import Box, Picture

__all__ = ["draw"]

INPUT, OPERATION, OUTPUT, CONSTANT = "#add8e6", "#e8e8e8", "#b4e6a8", "#fff3c4"


def draw(program: Program) -> Picture:
    """The picture of a program: inputs above, an arrow for each use of a value, results below.

    Args:
        program: what `make_program` recorded.

    Returns:
        A picture with `.dot` and `.svg` texts and `.save(path)`; notebooks show it.

    Example:
        >>> import numpy as np, funcgrad as fg
        >>> picture = draw(fg.make_program(lambda x: np.sum(np.sin(x)))(np.ones(3)))
        >>> [box.lines[0] for box in picture.boxes]
        ['a', 'sin', 'sum', 'result']
    """
    boxes: list[Box] = []
    edges: list[tuple[int, int]] = []
    made: dict[int, int] = {}
    for variable in program.inputs:
        made[variable.number] = len(boxes)
        boxes.append(Box((str(variable), _kind(variable)), INPUT))
    for equation in program.equations:
        here = len(boxes)
        kinds = tuple(map(_kind, equation.results))
        boxes.append(Box((equation.primitive.name, *kinds), OPERATION, str(equation)))
        operands = [operand for operand in equation.operands if isinstance(operand, Variable)]
        edges += [(made[operand.number], here) for operand in operands]
        made.update((variable.number, here) for variable in equation.results)
    for output in program.outputs:
        here = len(boxes)
        if isinstance(output, Constant):
            boxes.append(Box(("result", str(output)), CONSTANT))
        else:
            boxes.append(Box(("result", _kind(output)), OUTPUT))
            edges.append((made[output.number], here))
    return Picture(tuple(boxes), tuple(dict.fromkeys(edges)))


def _kind(variable: Variable) -> str:
    shape = ", ".join(map(str, variable.shape))
    return f"{variable.dtype}[{shape}]"
