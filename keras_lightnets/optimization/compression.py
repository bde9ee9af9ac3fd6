"""Pruning and clustering by tensorflow-model-optimization: weights that compress."""

from typing import NamedTuple

import keras

from keras_lightnets.errors import UserError
from keras_lightnets.optimization.checks import check_dense, check_float
from keras_lightnets.optimization.prunable import pruning_shares, sparsity
from keras_lightnets.optimization.tfmot.bridge import Training


class Schedule(NamedTuple):
    """When how many weights are set to zero: from none at `begin` to the share `sparsity` at `end`, cubically.

    Attributes:
        sparsity: float in (0, 1), share of the weights of all kernels except depthwise ones. Large kernels get more of
            the zeros, small ones fewer or none.
        begin: float in [0, 1), share of the training steps. Defaults to 0.0.
        end: float in (0, 1], share of the training steps. The rest of them recovers. Defaults to 0.6.
    """

    sparsity: float
    begin: float = 0.0
    end: float = 0.6


def prune(model: keras.Model, schedule: Schedule | float = 0.5) -> Training:
    """Prepares a model for training with fewer and fewer weights that are not zero.

    Zeros make a file smaller once it is compressed, as app packages are. The speed on a CPU stays.

    Args:
        model: functional `keras.Model`.
        schedule: a `Schedule`, or the share of zeros at the end. Defaults to 0.5.

    Returns:
        A `Training`, whose `fit` returns the pruned `keras.Model`.

    Raises:
        UserError: if the model is quantisation-aware or has as many zeros already, the schedule makes no sense, or
            tensorflow-model-optimization is not installed.

    Reference:
        Zhu and Gupta, To prune, or not to prune, 2017. Evci et al., Rigging the Lottery, ICML 2020, for the shares of
        the layers.

    Example:

    >>> pruned = keras_lightnets.optimization.prune(model, 0.5).fit(batches, epochs=2)
    >>> keras_lightnets.optimization.sparsity(pruned)
    0.5
    """
    schedule = schedule if isinstance(schedule, Schedule) else Schedule(schedule)
    if not (0 < schedule.sparsity < 1 and 0 <= schedule.begin < schedule.end <= 1):
        raise UserError(f"Pruning needs 0 < sparsity < 1 and 0 <= begin < end <= 1. Received: {schedule}")
    check_float(model)
    share = sparsity(model)
    # Rounding in each kernel leaves a little less than was asked for.
    if share >= 0.99 * schedule.sparsity:
        raise UserError(f"{model.name} is pruned already: {share:.0%} of its weights are zero. Ask for more.")
    shares = pruning_shares(model, schedule.sparsity)
    return Training(model, "prune", shares=shares, begin=schedule.begin, end=schedule.end)


def cluster(model: keras.Model, n: int = 16) -> Training:
    """Prepares a model for training with `n` different weights in each kernel.

    Few values make a file smaller once it is compressed. Kernels of fewer than four weights per value, and depthwise
    kernels, keep their weights.

    Args:
        model: functional `keras.Model`.
        n: int, at least 2. Defaults to 16.

    Returns:
        A `Training`, whose `fit` returns the clustered `keras.Model`.

    Raises:
        UserError: if the model is quantisation-aware or pruned, whose zeros the clusters would fill, `n` is too small,
            or tensorflow-model-optimization is not installed.

    Reference:
        Han et al., Deep Compression, ICLR 2016.

    Example:

    >>> clustered = keras_lightnets.optimization.cluster(model, 16).fit(batches, epochs=2)
    """
    if not isinstance(n, int) or n < 2:
        raise UserError(f"`n` must be an integer of at least 2. Received: n={n}")
    check_float(model)
    check_dense(model)
    return Training(model, "cluster", clusters=n)
