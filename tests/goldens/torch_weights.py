"""Seeded Keras weights as PyTorch tensors, for the reference networks."""

import numpy as np

from tests.seeded import is_depthwise


def torch_state(torch, arrays, names):
    """Returns a PyTorch state dict.

    Args:
        torch: the torch module.
        arrays: dict from Keras variable path to array.
        names: dict from Keras layer path to PyTorch module name.

    Raises:
        KeyError: if a layer has no name.
    """
    parts = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
    state = {}
    for path, array in arrays.items():
        layer, kind = path.rsplit("/", 1)
        state[f"{names[layer]}.{parts.get(kind, 'bias' if kind == 'bias' else 'weight')}"] = torch.tensor(
            torch_layout(array, is_depthwise(path))
        )
    return state


def torch_layout(array, depthwise):
    """Transposes a kernel from Keras' layout to PyTorch's; vectors stay as they are."""
    if depthwise and array.ndim == 4:
        height, width, channels, multiplier = array.shape
        return np.ascontiguousarray(array.transpose(2, 3, 0, 1).reshape(channels * multiplier, 1, height, width))
    return np.ascontiguousarray(array.transpose({1: (0,), 2: (1, 0), 4: (3, 2, 0, 1)}[array.ndim]))


def load(module, state):
    """Loads `state` into `module` and refuses any tensor left over on either side."""
    missing, unexpected = module.load_state_dict(state, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise SystemExit(f"not matched: missing {missing}, unexpected {unexpected}")
    return module.eval()
