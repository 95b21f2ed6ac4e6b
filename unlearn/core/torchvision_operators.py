"""torchvision's pure-Python parts, also where its compiled operators cannot load.

A torchvision built for CUDA beside a CPU build of torch fails to import, because its own
registration of fake kernels looks up operators that its library never defined. Declaring their
schemas first lets data sets, transforms and models work. A matching installation is untouched.
"""

import importlib.util
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_OPERATORS = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


@cache
def declare_operators() -> "torch.library.Library | None":
    """Declare the operators that cannot load; call this before any `import torchvision`."""
    import torch

    if _compiled_operators_load():
        return None
    library = torch.library.Library("torchvision", "DEF")
    for name, signature in _OPERATORS.items():
        library.define(name + signature)
    return library  # the declarations live as long as this object, which the cache keeps


def _compiled_operators_load() -> bool:
    import torch

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
