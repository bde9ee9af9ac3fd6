"""The checkpoints of PyTorch."""

import io
import pickle
import warnings

from keras_lightnets.errors import UserError
from keras_lightnets.weights.readers.tensors import MissingExtra, Tensors, check_size, check_type, plain_names


def read_pytorch(content):
    """Returns the `Tensors` of a PyTorch file, given its bytes. Code in it is not run."""
    try:
        import torch
    except ImportError as error:
        raise MissingExtra(
            "reading PyTorch files needs the extra [torch]: pip install 'keras_lightnets[torch]'"
        ) from error
    try:
        with warnings.catch_warnings(action="ignore"):
            content_of = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error).split("WeightsUnpickler error:")[-1].split("\n")[0].strip()
        raise UserError(
            f"it holds more than tensors, which is not run ({reason}); save the state_dict alone if you trust it"
        ) from error
    except Exception as error:
        raise UserError(f"PyTorch cannot read it, it may be truncated ({str(error).split(chr(10))[0]})") from error
    state = plain_names(_network(content_of, torch))
    for name, tensor in state.items():
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_nested or tensor.is_meta:
            raise UserError(f"the tensor {name!r} is sparse, quantized, nested or without values, and no plain one")
    check_size(sum(tensor.numel() * tensor.element_size() for tensor in state.values()), len(content))
    return Tensors({name: _array(name, tensor, torch) for name, tensor in state.items()}, "torch")


def _network(checkpoint, torch):
    """Returns the one dict of tensors that is a network, wherever in a checkpoint it is."""
    found, visited, left = {}, set(), [("", checkpoint)]
    while left:
        place, item = left.pop(0)
        if not isinstance(item, dict) or id(item) in visited:
            continue
        visited.add(id(item))
        if item and all(isinstance(n, str) and isinstance(tensor, torch.Tensor) for n, tensor in item.items()):
            found[place] = item
        else:
            left += [(f"{place}[{key!r}]", value) for key, value in item.items() if isinstance(key, str)]
    # Optimizers, generators of random numbers and others have dicts of tensors too.
    networks = {k: v for k, v in found.items() if not k or any(name.endswith("weight") for name in v)}
    if not networks:
        raise UserError("it holds no state_dict: a dict of tensors, or one with a state_dict inside")
    if len(networks) > 1:
        raise UserError(
            f"it holds {len(networks)} networks, {' and '.join(networks)}, perhaps the last weights and their average "
            f"(EMA): save the one you want alone, such as torch.save(torch.load(path){list(networks)[-1]}, new_path)"
        )
    return next(iter(networks.values()))


def _array(name, tensor, torch):
    try:
        array = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).detach().numpy()
    except (TypeError, RuntimeError) as error:
        raise UserError(f"the tensor {name!r} has values of type {tensor.dtype}, which are no weights") from error
    check_type(name, array.dtype)
    return array
