"""Where loaded storages go: `map_location`, and the devices that files name."""

from collections.abc import Callable
from typing import Any

from funcgrad.compat.torch._utils import meta_storage
from funcgrad.compat.torch.dtypes import device

__all__ = ["PACKAGES", "default_restore_location", "location_tag", "restorer"]

NO_CUDA = (
    "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False. If "
    "you are running on a CPU-only machine, please use torch.load with "
    "map_location=torch.device('cpu') to map your storages to the CPU."
)


def _restore(storage: Any, location: str) -> Any:
    kind = location.partition(":")[0]
    if kind == "cpu":
        return storage
    if kind == "meta":
        return meta_storage()
    if kind == "cuda":
        raise RuntimeError(NO_CUDA)
    if kind in device._TYPES:
        raise RuntimeError(
            f"torch.UntypedStorage(): Storage device not recognized: {kind}. Use torch.load with "
            "map_location=torch.device('cpu') to map your storages to the CPU."
        )
    return None


PACKAGES: list[tuple[int, Callable[[Any], Any], Callable[[Any, str], Any]]] = [
    (0, lambda storage: str(storage.device), _restore)
]
"""By priority: what names the location of a storage, and what brings a storage to a location."""


def location_tag(storage: Any) -> str:
    """The location that a file names for a storage."""
    for _, tagger, _ in PACKAGES:
        tag = tagger(storage)
        if tag is not None:
            return str(tag)
    raise RuntimeError(f"don't know how to determine data location of {type(storage).__name__}")


def default_restore_location(storage: Any, location: str) -> Any:
    """The storage, at the location that a file names.

    Raises:
        RuntimeError: if there is no such location here.
    """
    for _, _, restore in PACKAGES:
        found = restore(storage, location)
        if found is not None:
            return found
    raise RuntimeError(
        "don't know how to restore data location of torch.storage.UntypedStorage (tagged with "
        f"{location[:100]})"
    )


def restorer(map_location: Any) -> Callable[[Any, str], Any]:
    """What `map_location` means: a function of a storage and of the location in the file."""
    if map_location is None:
        return default_restore_location
    if isinstance(map_location, dict):
        return lambda storage, location: default_restore_location(
            storage, str(map_location.get(location, location))
        )
    if isinstance(map_location, str | bytes):
        place = map_location.decode() if isinstance(map_location, bytes) else map_location
        return lambda storage, _: default_restore_location(storage, place)
    if isinstance(map_location, device):
        return lambda storage, _: default_restore_location(storage, str(map_location))

    def restore(storage: Any, location: str) -> Any:
        found = map_location(storage, location)
        return default_restore_location(storage, location) if found is None else found

    return restore
