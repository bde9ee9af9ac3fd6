"""Optimizers and learning rates as the papers had them."""

import keras
import tensorflow as tf
from keras import ops

from keras_lightnets.layers import AxialDepthwiseConv2D


class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """A linear rise from a tenth of the rate in front of another schedule.

    Args:
        schedule: the schedule that follows, which counts its steps from the end of the warm-up.
        peak: float, the rate at the end of the warm-up.
        steps: int, length of the warm-up.
    """

    def __init__(self, schedule, peak, steps):
        self._schedule, self._peak, self._steps = schedule, peak, steps

    def __call__(self, step):
        """Returns the learning rate of a step."""
        step = ops.cast(step, "float32")
        rising = self._peak * (0.1 + 0.9 * step / self._steps)
        return ops.where(step < self._steps, rising, self._schedule(ops.maximum(step - self._steps, 0.0)))

    def get_config(self):
        """Returns the arguments."""
        return {"schedule": self._schedule, "peak": self._peak, "steps": self._steps}


def learning_rate(config, peak, epochs, steps_per_epoch):
    """Returns the schedule of a phase.

    Args:
        config: `Config`.
        peak: float, the largest rate.
        epochs: int, length of the phase, the warm-up included.
        steps_per_epoch: int.
    """
    schedules, warm_up = keras.optimizers.schedules, round(config.warmup_epochs * steps_per_epoch)
    steps = max(1, epochs * steps_per_epoch - warm_up)
    if config.schedule == "cosine":
        schedule = schedules.CosineDecay(peak, steps)
    elif config.schedule == "linear":
        schedule = schedules.PolynomialDecay(peak, steps, end_learning_rate=0.0)
    else:
        every = max(1, round(config.step_epochs * steps_per_epoch))
        schedule = schedules.ExponentialDecay(peak, every, config.step_factor, staircase=True)
    return WarmUp(schedule, peak, warm_up) if warm_up else schedule


class _Gradients:
    """What the papers do with the gradients of the whole batch before a step.

    Weight decay is part of the gradients, unlike Keras' decoupled decay. Their norm is limited over all replicas
    together, while Keras limits each replica.
    """

    coupled_decay: float = 0.0
    decayed: frozenset = frozenset()

    def apply(self, grads, trainable_variables=None):
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        if self.global_clipnorm and replicas > 1:
            # They are summed over the replicas after the clipping: of equal ones the sum has `replicas` times the norm.
            grads = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, grads)
        decay = self.coupled_decay / replicas
        grads = [
            gradient + decay * ops.cast(variable, gradient.dtype) if variable.path in self.decayed else gradient
            for gradient, variable in zip(grads, trainable_variables, strict=True)
        ]
        super().apply(grads, trainable_variables)


class _SGD(_Gradients, keras.optimizers.SGD):
    pass


class _RMSprop(_Gradients, keras.optimizers.RMSprop):
    pass


class _AdamW(_Gradients, keras.optimizers.AdamW):
    pass


class _LossScale(keras.optimizers.LossScaleOptimizer):
    """Leaves out a step whose gradients overflow on any replica. Keras' own looks at the first alone."""

    def check_finite(self, grads):
        finite = ops.cast(super().check_finite(grads), "float32")
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, finite) == 1.0


def make_optimizer(config, model, rate):
    """Returns the built optimizer of a model.

    Args:
        config: `Config`.
        model: `keras.Model`, its layers already marked as trainable or not.
        rate: float or schedule.
    """
    # In `_Gradients` each replica clips its share.
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    common = {
        "learning_rate": rate,
        "global_clipnorm": config.clip_norm / replicas or None,
        "use_ema": config.ema > 0,
        "ema_momentum": config.ema or 0.99,
    }
    decayed = decayed_paths(model, config.decay)
    if config.optimizer == "adamw":
        optimizer = _AdamW(name="adamw", weight_decay=config.weight_decay, epsilon=config.epsilon, **common)
        optimizer.exclude_from_weight_decay(var_list=[v for v in model.trainable_variables if v.path not in decayed])
    elif config.optimizer == "rmsprop":
        optimizer = _RMSprop(name="rmsprop", rho=config.rho, momentum=config.momentum, epsilon=config.epsilon, **common)
    else:
        optimizer = _SGD(name="sgd", momentum=config.momentum, nesterov=config.nesterov, **common)
    if config.weight_decay and config.optimizer != "adamw":
        optimizer.coupled_decay, optimizer.decayed = config.weight_decay, decayed
    if config.mixed_precision:
        optimizer = _LossScale(optimizer)
    optimizer.build(model.trainable_variables)
    return optimizer


def decayed_paths(model, rule):
    """Returns the paths of the trainable variables of a model that "all", "kernels" or "pointwise" decays."""
    depthwise = {
        variable.path
        for layer in model.layers
        if isinstance(layer, (keras.layers.DepthwiseConv2D, AxialDepthwiseConv2D))
        for variable in layer.trainable_variables
    }
    return frozenset(
        variable.path
        for variable in model.trainable_variables
        if rule == "all" or (len(variable.shape) > 1 and not (rule == "pointwise" and variable.path in depthwise))
    )
