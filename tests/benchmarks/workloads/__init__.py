"""All workloads by name."""

from tests.benchmarks.workload import Workload
from tests.benchmarks.workloads.chains import CHAINS
from tests.benchmarks.workloads.models import MODELS
from tests.benchmarks.workloads.networks import NETWORKS
from tests.benchmarks.workloads.second_order import SECOND_ORDER

__all__ = ["WORKLOADS"]


def _number(workload: Workload) -> tuple[int, str]:
    """W2 before W10, W7a before W7b, W10_1 before W10_10."""
    digits = "".join(c if c.isdigit() else " " for c in workload.name).split()
    return int(digits[0]), workload.name


WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for workload in sorted(CHAINS + NETWORKS + SECOND_ORDER + MODELS, key=_number)
}
