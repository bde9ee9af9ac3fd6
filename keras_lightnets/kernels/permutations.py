"""The orders of channels that shuffles and shifts make, and the shuffle as a transposition."""

import numpy as np
from keras import ops


def shift_permutation(channels, groups):
    """Index `p` with `shifted[c] = x[p[c]]`: the next group, and inside it the next channel, both cyclic."""
    index = np.arange(channels).reshape(groups, channels // groups)
    return np.roll(index, (-1, -1), axis=(0, 1)).reshape(-1)


def shuffle_permutation(channels, groups):
    """Index `p` with `shuffled[c] = x[p[c]]`: the first channel of each group, the second of each group, and so on."""
    return np.arange(channels).reshape(groups, -1).T.reshape(-1)


def transposed(x, groups):
    """Shuffles the channels of `x`, its last axis, by a transposition."""
    shape = ops.shape(x)
    # Three axes transpose faster than five, and stay within what the delegates of phones accept.
    x = ops.reshape(x, (-1, groups, shape[-1] // groups))
    return ops.reshape(ops.transpose(x, (0, 2, 1)), shape)
