"""The part of a network that a call belongs to: stem, depthwise, 1x1, squeeze-excite, head and so on."""

from keras import layers

from keras_lightnets import layers as ours
from keras_lightnets.layers.inference import MixedPointwise, ShiftMaxMix

_POOLS = layers.GlobalAveragePooling2D | layers.GlobalMaxPooling2D | layers.Flatten
_DEPTHWISE = (
    layers.DepthwiseConv1D | layers.DepthwiseConv2D | ours.AxialDepthwiseConv2D | ours.MicroFactorizedDepthwiseConv2D
)
_NORMALIZATIONS = (
    layers.BatchNormalization | layers.GroupNormalization | layers.LayerNormalization | layers.Normalization
)


def parts(calls, counted):
    """Names the part of every call.

    The stem is the convolutions that read the image. Both factors of a factorised kernel belong to it. The head is what
    sees the image only through a global pooling or flattening. Where the pooled numbers meet a map of pixels again, the
    part is "squeeze-excite" instead.

    Args:
        calls: list of `Call`.
        counted: list of their multiply-adds, or None for unknown layers.

    Returns:
        List of str, empty for calls without weights and multiply-adds.
    """
    names = [_kind(call.operation, product) for call, product in zip(calls, counted, strict=True)]
    for position in _stem(calls, counted):
        names[position] = "stem"
    pools, rejoined = _pools(calls)
    for position, above in enumerate(pools):
        if names[position] not in ("", "unknown") and above:
            names[position] = "head" if above - rejoined else "squeeze-excite"
    return names


def _kind(layer, product):
    if product is None:
        return "unknown"
    if not any(product):
        if not getattr(layer, "weights", ()):
            return ""
        return "normalization" if isinstance(layer, _NORMALIZATIONS) else "other"
    if isinstance(layer, ours.DynamicShiftMax | ShiftMaxMix | MixedPointwise):
        return "shift-max"
    if isinstance(layer, _DEPTHWISE):
        return "depthwise"
    if isinstance(layer, layers.SeparableConv1D | layers.SeparableConv2D):
        return "separable"
    if isinstance(layer, layers.Dense):
        return "dense"
    if isinstance(layer, ours.MicroFactorizedPointwiseConv2D):
        return "grouped 1x1"
    pointwise = set(layer.kernel_size) == {1}
    # Transposed convolutions have no groups.
    if getattr(layer, "groups", 1) == 1:
        return "1x1" if pointwise else "convolution"
    if layer.kernel.shape[-2] == 1 and not pointwise:
        return "depthwise"
    return "grouped 1x1" if pointwise else "grouped convolution"


def _stem(calls, counted):
    """Yields the positions of the stem's calls."""
    # What a tensor is: the image, or the image after a kernel along one axis (0 or 1).
    state = {id(tensor): "image" for tensor in _inputs(calls)}
    for position, (call, product) in enumerate(zip(calls, counted, strict=True)):
        read = {state.get(id(tensor)) for tensor in call.inputs}
        found = read.pop() if len(read) == 1 else None
        if found is None or product is None:
            continue
        if any(product):
            axis = _axis(call.operation)
            if found != "image" and axis in (None, found):
                continue
            yield position
            found = axis if found == "image" else None
        state.update((id(tensor), found) for tensor in call.outputs)


def _axis(layer):
    """The axis that the kernel of `layer` extends along, or None for all or none."""
    sides = layer.kernel.shape[:2] if hasattr(layer, "kernel") else ()
    long = [axis for axis, side in enumerate(sides) if side > 1]
    return long[0] if len(long) == 1 else None


def _pools(calls):
    """Returns the poolings that all inputs of each call lie behind, and those that a map of pixels meets again."""
    behind, touched = {}, {}
    all_behind, rejoined = [], set()
    for call in calls:
        sets = [behind.get(id(tensor), set()) for tensor in call.inputs]
        every = set.intersection(*sets)
        some = set.union(*sets, *(touched.get(id(tensor), set()) for tensor in call.inputs))
        rejoined |= some - every
        all_behind.append(every)
        own = {call} if isinstance(call.operation, _POOLS) else set()
        for tensor in call.outputs:
            behind[id(tensor)], touched[id(tensor)] = every | own, some | own
    return all_behind, rejoined


def _inputs(calls):
    written = {id(tensor) for call in calls for tensor in call.outputs}
    return [tensor for call in calls for tensor in call.inputs if id(tensor) not in written]
