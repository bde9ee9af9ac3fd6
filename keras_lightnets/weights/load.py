"""Gives a network the weights of a file: every tensor and every variable once, or nothing at all."""

import re
from typing import NamedTuple

import keras
import numpy as np

from keras_lightnets.errors import UserError
from keras_lightnets.layers import AxialDepthwiseConv2D
from keras_lightnets.preprocessing import IMAGENET_STATISTICS
from keras_lightnets.warning import warn
from keras_lightnets.weights.name_maps import LAYOUTS

# The names of Keras' variables in other frameworks.
_TORCH = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
_KINDS = {"torch": _TORCH, "paddle": {**_TORCH, "moving_mean": "_mean", "moving_variance": "_variance"}}


class Head(NamedTuple):
    """The layers of a classifier, by name."""

    layers: tuple[str, ...]
    classes: tuple[str, ...]  # those among them that are as wide as there are classes
    anchors: bool = False  # whether they have that width once for every anchor


class Target(NamedTuple):
    """A variable to be loaded."""

    layer: keras.Layer
    part: str  # path of the layer that owns it, such as "block1_last_act/squeeze"
    kind: str  # such as "kernel"
    slot: int  # position among the variables of its owner
    variable: keras.Variable

    @property
    def path(self):
        """Path of the variable, such as "block1_last_act/squeeze/kernel"."""
        return f"{self.part}/{self.kind}"

    @property
    def depthwise(self):
        """Whether it is a kernel that keeps channels apart."""
        return self.kind == "kernel" and isinstance(self.layer, keras.layers.DepthwiseConv2D | AxialDepthwiseConv2D)


def targets(layers):
    """Returns the `Target`s of a list of layers, in order."""
    found, slots = [], {}
    for layer in layers:
        for variable in layer.weights:
            if "seed_generator" not in variable.path:
                part, kind = variable.path.rsplit("/", 1)
                slots[part] = slots.get(part, -1) + 1
                found.append(Target(layer, part, kind, slots[part], variable))
    return found


def load(source, layers, name, head=None):
    """Assigns the weights of a file to the variables of layers.

    Where the file has another number of classes, the layers of that width keep their random weights, and a warning
    says so. Where the input has other channels than the RGB of the file, the first kernel is summed for one channel,
    and has zeros for a fourth and further ones.

    Args:
        source: `Source`.
        layers: the layers of the network, in order.
        name: str, name of the network for messages.
        head: `Head` of the network, with or without which the file may be. Defaults to None: the file has to fit as it
            is, other classes and channels are refused.

    Raises:
        UserError: if any other tensor or variable is missing, left over, or of another shape. Nothing is assigned.
    """
    arrays, layout = dict(source.tensors.arrays), source.layout
    wanted = targets(layers)
    tensors = tensor_names(source, wanted, name)
    values, fresh = [], {}
    for target in wanted:
        shape = tuple(target.variable.shape)
        if layout and layout.without_bias == target.part and target.kind == "bias":
            values.append(np.zeros(shape))
            continue
        names = tensors[target.path]
        if missing := [tensor for tensor in names if tensor not in arrays]:
            raise _misfit(
                source, name, f"there is no tensor {missing[0]!r} for the variable {target.path} of shape={shape}"
            )
        found = [_checked(arrays.pop(tensor), tensor, target, source, name) for tensor in names]
        array = keras_axes(found, target, layout, shape)
        if head and target is wanted[0]:
            array = _stem(array, shape, layout)
        if array.shape != shape:
            if head and target.part in head.classes and array.shape[:-1] == shape[:-1]:
                fresh[target.part] = array.shape[-1], shape[-1]
                array = None
            else:
                as_keras = "" if found[0].shape == array.shape else f", in Keras' axes {array.shape}"
                raise _misfit(
                    source,
                    name,
                    f"the variable {target.path} has shape={shape}, and the tensor {names[0]!r} "
                    f"has shape={found[0].shape}{as_keras}",
                )
        values.append(array)
    top = head is None or any(target.part in head.layers for target in wanted)
    if left := [tensor for tensor in arrays if top or not _in_head(tensor, source, head, len(wanted))]:
        raise _misfit(source, name, f"no variable takes the tensor {left[0]!r} of shape={arrays[left[0]].shape}")
    for target, array in zip(wanted, values, strict=True):
        if array is not None:
            target.variable.assign(array)
    if fresh:
        ((trained, classes), *_) = fresh.values()
        ours, theirs = ("these", "other") if head.anchors else (f"{classes}", f"{trained}")
        warn(
            f"{name}: the classifier for {ours} classes is fresh, with random weights in {' and '.join(fresh)}: "
            f"{source.path} has {theirs} classes. Train it before use."
        )


def _checked(array, tensor, target, source, name):
    """Returns the values of a tensor in the type of the variable. Refuses values that change by it."""
    dtype = np.dtype(keras.backend.standardize_dtype(target.variable.dtype))
    with np.errstate(all="ignore"):
        values = array.astype(dtype)
    rounds = keras.backend.is_float_dtype(dtype.name)
    if (changed := ~np.isfinite(values) if rounds else values != array).any():
        raise _misfit(source, name, f"the value {array[changed].ravel()[0]} of the tensor {tensor!r} is no {dtype}")
    return values


def tensor_names(source, wanted, name):
    """Returns a dict from path of the variable to the names of its tensors, several where a file keeps groups apart."""
    arrays, layout = source.tensors.arrays, source.layout
    if layout:
        modules = layout.modules(list(dict.fromkeys(target.part for target in wanted)))
        if layout.framework == "keras":
            return {target.path: _by_group(modules[target.part], target) for target in wanted}
        kinds = _KINDS[layout.framework]
        return {target.path: (f"{modules[target.part]}.{kinds[target.kind]}",) for target in wanted}
    if source.tensors.layout == "slots":
        return {target.path: (f"{target.part}/{target.slot}",) for target in wanted}
    if source.tensors.layout == "topological" and not {target.path for target in wanted} <= set(arrays):
        # Keras 2 changed names between its versions, and itself goes by the order of the layers.
        if len(arrays) < len(wanted):
            target = wanted[len(arrays)]
            shape = tuple(target.variable.shape)
            raise _misfit(source, name, f"there is no tensor left for the variable {target.path} of shape={shape}")
        return {target.path: (tensor,) for target, tensor in zip(wanted, arrays, strict=False)}
    if source.tensors.layout not in _KINDS:
        return {target.path: (target.path,) for target in wanted}
    first = wanted[0]
    raise _misfit(
        source, name, f"{_marks(source)} for the variable {first.path} of shape={tuple(first.variable.shape)}"
    )


def _marks(source):
    tensor, array = next(iter(source.tensors.arrays.items()), ("none", np.zeros(())))
    layouts = [layout for layout in LAYOUTS.get(source.builder, ()) if layout.framework == source.tensors.layout]
    marks = [f"{layout.mark!r} ({layout.publisher})" for layout in layouts]
    if not marks:
        known = [layout for layout in LAYOUTS.get(source.builder, ()) if layout.framework != "keras"]
        publishers = f" and those of {', '.join(layout.publisher for layout in known)}" if known else ""
        return f"{source.builder} takes Keras files{publishers} only, and its first tensor is {tensor!r}"
    return f"its first tensor is {tensor!r} of shape={array.shape}, and there is no {' or '.join(marks)}"


def _by_group(module, target):
    """tf2cv's names: of kernels by the kind of the layer, with one kernel per group from 1."""
    if target.kind != "kernel" or isinstance(target.layer, keras.layers.Dense):
        return (f"{module}/{target.kind}",)
    if target.depthwise:
        return (f"{module}/dw_conv/depthwise_kernel",)
    if target.layer.groups > 1:
        return tuple(f"{module}/convgroup{group + 1}/kernel" for group in range(target.layer.groups))
    return (re.sub(r"(/conv)+/", "/conv/", f"{module}/conv/kernel"),)


def keras_axes(found, target, layout, shape):
    """Returns the tensors of one variable as an array with Keras' axes."""
    if layout is None or layout.framework == "keras":
        return found[0] if len(found) == 1 else np.concatenate(found, axis=-1)
    (array,) = found
    if re.fullmatch(layout.transposed, target.part) and array.ndim and len(array) % 4 == 0:
        array = array.reshape(-1, 4, *array.shape[1:])[:, [1, 0, 3, 2]].reshape(array.shape)
    if len(shape) == 4 and array.ndim == 2:
        array = array[:, :, None, None]
    if len(shape) == 2 and array.ndim == 4 and array.shape[2:] == (1, 1):
        # A dense layer that is a 1x1 convolution of one pixel there.
        return array[:, :, 0, 0].T
    if array.ndim == 2:
        return array if layout.framework == "paddle" else array.T
    if array.ndim != 4:
        return array
    if target.depthwise and array.shape[0] % shape[3] == 0:
        return array.reshape(-1, shape[3], *array.shape[2:]).transpose(2, 3, 0, 1)
    return array.transpose(2, 3, 1, 0)


def _stem(kernel, shape, layout):
    """Makes a kernel for RGB pixels, normalised by `preprocess_input`, out of that for the trainers' pixels."""
    if layout and layout.raw_bgr:
        # Exact. The mean is not: the border would be padded with another grey. The network subtracts it in a layer.
        kernel = kernel[:, :, ::-1] * np.reshape(IMAGENET_STATISTICS.std, (3, 1))
    if kernel.ndim == 4 and kernel.shape[2] == 3 and len(shape) == 4:
        if shape[2] == 1:
            return kernel.sum(axis=2, keepdims=True)
        if shape[2] > 3:
            return np.pad(kernel, ((0, 0), (0, 0), (0, shape[2] - 3), (0, 0)))
    return kernel


def _in_head(tensor, source, head, used):
    if source.layout:
        return tensor.startswith(source.layout.head)
    if tensor.split("/")[0] in head.layers:
        return True
    # The names of old Keras files vary. A classifier comes last, and has four tensors at most.
    position = list(source.tensors.arrays).index(tensor)
    return source.tensors.layout == "topological" and used <= position < used + 4


def _misfit(source, name, reason):
    return UserError(f"The weights file {source.path} does not fit {name}: {reason}.")
