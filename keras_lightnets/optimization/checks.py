"""What cannot be optimised, said before any work is done."""

from keras_lightnets.errors import UserError
from keras_lightnets.export.fusing.fuse import check_unquantized
from keras_lightnets.layers.quantized import is_quantize_aware
from keras_lightnets.optimization.prunable import sparsity

# From this share of zeros on a model counts as pruned.
_PRUNED = 0.2


def check_float(model):
    """Raises a `UserError` for a model that rounds already."""
    if is_quantize_aware(model):
        raise UserError(f"{model.name} is quantisation-aware already. Start from the float model.")
    check_unquantized(model)


def check_dense(model):
    """Raises a `UserError` for a pruned model, whose zeros training would fill."""
    share = sparsity(model)
    if share >= _PRUNED:
        raise UserError(
            f"{model.name} is pruned already ({share:.0%} zeros), and training would fill the zeros. Export it without "
            "training, by to_tflite(..., quantization='int8'), or start from the dense model."
        )
