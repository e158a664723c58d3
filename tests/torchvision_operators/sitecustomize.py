"""Declares the operators that torchvision's wheel brings compiled for PyTorch's CUDA build; its networks use none."""

import sys
from importlib.abc import MetaPathFinder

KEPT = []  # a library that nobody holds takes its operators back


class _Operators(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "torchvision" and not KEPT:
            import torch

            KEPT.append(torch.library.Library(name, "DEF"))
            for operator in ("nms", "qnms"):
                KEPT[0].define(f"{operator}(Tensor boxes, Tensor scores, float threshold) -> Tensor")


sys.meta_path.insert(0, _Operators())
