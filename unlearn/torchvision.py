"""torchvision's pure-Python parts, also where its compiled operators cannot load.

A torchvision built for CUDA beside a CPU build of torch fails to import, because its own
registration of fake kernels looks up operators that its library never defined. Declaring their
schemas first lets data sets, transforms and models work. A matching installation is untouched.
"""

import importlib.util
from pathlib import Path

import torch

_OPERATORS = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_library = None


def ready() -> None:
    """Call this before any `import torchvision`."""
    global _library
    if _library is not None or _compiled_operators_load():
        return
    _library = torch.library.Library("torchvision", "DEF")
    for name, signature in _OPERATORS.items():
        _library.define(name + signature)


def _compiled_operators_load() -> bool:
    spec = importlib.util.find_spec("torchvision")
    for folder in spec.submodule_search_locations if spec else ():
        extension = next(Path(folder).glob("_C*.so"), None)
        if extension is not None:
            try:
                torch.ops.load_library(str(extension))
            except OSError:
                return False
            return True
    return False
