"""Passes: functions from programs to simpler programs that compute the same, to the last bit."""

from funcgrad.compile.passes.dead import without_dead_code as without_dead_code
from funcgrad.compile.passes.table import PASSES as PASSES
from funcgrad.compile.passes.table import Pass as Pass
from funcgrad.compile.passes.table import Saving as Saving
from funcgrad.compile.passes.table import Savings as Savings
from funcgrad.compile.passes.table import forward as forward
from funcgrad.compile.passes.table import optimised as optimised
