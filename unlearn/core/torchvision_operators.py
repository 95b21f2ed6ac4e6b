"""torchvision's pure-Python parts, also where its compiled operators cannot load.

A torchvision built for CUDA beside a CPU build of torch fails to import, because its own
registration of fake kernels looks up operators that its library never defined. Declaring their
schemas first lets data sets, transforms and models work. A matching installation is untouched.

`import unlearn` prepares that: the first `import torchvision` after it declares the operators.
"""

import importlib.abc
import importlib.util
import sys
from collections.abc import Sequence
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

OPERATORS = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


class TorchvisionFinder(importlib.abc.MetaPathFinder):
    """Declares the operators when torchvision is imported; finds no module itself."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """None: the finders after this one load the module."""
        if fullname == "torchvision":
            sys.meta_path.remove(self)
            declare_operators()
        return None


def declare_on_import() -> None:
    """Have the operators declared before torchvision is first imported."""
    prepared = any(isinstance(finder, TorchvisionFinder) for finder in sys.meta_path)
    if "torchvision" not in sys.modules and not prepared:
        sys.meta_path.insert(0, TorchvisionFinder())


@cache
def declare_operators() -> "torch.library.Library | None":
    """Declare the operators that cannot load; None where they can."""
    import torch

    if _compiled_operators_load():
        return None
    library = torch.library.Library("torchvision", "DEF")
    for name, signature in OPERATORS.items():
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
