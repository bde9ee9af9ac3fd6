"""Networks that weights of others need in another form than ours: another order of channels, padding or mean."""

from keras_lightnets.errors import UserError
from keras_lightnets.weights.name_maps import ORDER_MARKS


def ordered(source, orders):
    """Returns the one of `orders`, a dict by name, that weights need. Without weights it is the paper's.

    Raises:
        UserError: if the weights are for the form of another network.
    """
    name = source.order if source else ""
    if name not in orders:
        raise UserError(
            f"The weights file {source.path} does not fit {source.builder}: it is for a network in the form of {name}."
        )
    return orders[name]


def check_colours(x, source, axis):
    """Raises a UserError unless images have three channels, as weights with a mean of their own need."""
    if x.shape[axis] != 3:
        raise UserError(
            f"The weights file {source.path} needs 3 input channels, whose means differ. "
            f"Received: {x.shape[axis]} channels"
        )


def check_form(source, backbone):
    """Raises a UserError unless the layers of a backbone have the form that weights of a whole detector need."""
    marks = {layer.name for layer in backbone.layers} & set(ORDER_MARKS.values())
    if marks != {ORDER_MARKS[source.order]} if source.order else marks:
        raise UserError(
            f"The weights file {source.path} is for a backbone of another form than {backbone.name}, such as other "
            f"padding. Build the backbone with weights={source.path!r}, too."
        )
