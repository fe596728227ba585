"""What a network consists of, and what a window costs."""

import pandas as pd
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from hdsemg_nb.decoders.ml_dcnn import Dropout
from hdsemg_nb.decoders.ml_drsnet import ShrinkageBlock, Thinning
from hdsemg_nb.decoders.mt_dcnn import BranchLinear

SHORT_NAMES = {
    nn.Linear: "FC",
    nn.BatchNorm1d: "BN",
    nn.BatchNorm2d: "BN",
    nn.AdaptiveAvgPool2d: "Average pool",
}


def layer_table(model, n_channels, window, expand_blocks=False):
    """Layers of a network in the order in which they run, read off the modules themselves.

    Parameters
    ----------
    model : torch.nn.Module
        As `build_model` gives it.
    n_channels, window : int
        Size of one window.
    expand_blocks : bool
        List the layers of each `ShrinkageBlock` instead of the block as one.

    Returns
    -------
    pandas.DataFrame
        One row per layer: path (of the module), layer (what it is), output (shape of one window
        without dimensions of 1), parameters.
    """
    rows = []

    def record(path):
        def hook(module, inputs, output):
            shape = tuple(size for size in output.shape if size > 1) or (1,)
            rows.append((path, _describe(module), shape, n_parameters(module)))

        return hook

    leaves = _leaves(model, () if expand_blocks else (ShrinkageBlock,))
    hooks = [module.register_forward_hook(record(path)) for path, module in leaves]
    _forward_one(model, n_channels, window)
    for hook in hooks:
        hook.remove()
    return pd.DataFrame(rows, columns=["path", "layer", "output", "parameters"])


def _leaves(module, whole, path=""):
    """Modules without parts, and those of the classes `whole`, with their paths."""
    if isinstance(module, whole) or not list(module.children()):
        return [(path, module)]
    named = [(f"{path}.{name}".strip("."), part) for name, part in module.named_children()]
    return [leaf for name, part in named for leaf in _leaves(part, whole, name)]


def _describe(module):
    """What a layer is, in the words of a network diagram."""
    match module:
        case nn.Conv2d():
            step = module.n if isinstance(module, Thinning) else module.stride[0]
            branches = f", {module.groups} branches" if module.groups > 1 else ""
            return f"Conv {_size(module.kernel_size)}{_stride(step)}{branches}"
        case BranchLinear():
            return f"FC, {len(module.weight)} branches"
        case ShrinkageBlock():
            return f"Shrinkage block{_stride(module.body[0].stride[0])}"
        case nn.MaxPool2d():
            return f"Max pool {_size(module.kernel_size)}"
        case Dropout():
            return f"Dropout {module.p}"
    return SHORT_NAMES.get(type(module), type(module).__name__)


def _stride(step):
    return f" /{step}" if step > 1 else ""


def _size(kernel):
    """3 x 3, or 3 for a kernel along time alone."""
    rows, columns = kernel
    return str(columns) if rows == 1 < columns else f"{rows} x {columns}"


def n_parameters(model):
    """Number of trained parameters."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def n_macs(model, n_channels, window):
    """Multiply-accumulates of one window, convolutions and fully connected layers.

    Parameters
    ----------
    model : torch.nn.Module
    n_channels, window : int
        Size of one window.

    Returns
    -------
    int
        Half the floating-point operations that `torch.utils.flop_counter` counts.
    """
    with FlopCounterMode(display=False) as counter:
        _forward_one(model, n_channels, window)
    return counter.get_total_flops() // 2


def _forward_one(model, n_channels, window):
    training = model.training
    with torch.no_grad():
        model.eval()(torch.zeros(1, n_channels, window))
    model.train(training)
