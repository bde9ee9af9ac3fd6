"""Derives what our builders must say with checkpoints of others, where their networks are installed.

    KERAS_BACKEND=torch python -m tools.goldens.derive_checkpoints torch --micronet CLONE --rexnet CLONE --megvii CLONE
    TF_USE_LEGACY_KERAS=1 python -m tools.goldens.derive_checkpoints tf2cv
    KERAS_BACKEND=torch python -m tools.goldens.derive_checkpoints paddle --paddleclas CLONE

Each reference network (the modules beside this one say what to clone or install; tf2cv==0.0.18 with tf_keras) gets
seeded weights and saves them as its authors do; `weights=PATH` reads that file. The run stops unless the logits agree
within 1e-4 of their range, and writes to `publishers/checkpoints.json` every 25th reference logit, the difference, and
a digest of the names and shapes in the file.
"""

import argparse
import hashlib
import importlib
import json
import pickle
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

import keras_lightnets as kl
from keras_lightnets.preprocessing import IMAGENET_STATISTICS
from tools.goldens import paddleclas_reference
from tools.goldens.derive import FOLDER, IMAGES, STEP, TOLERANCE, relative_difference
from tools.goldens.torch_weights import Reference, checkpoint, logits
from tools.seeded import seed_weights, seeded_images

FILE = FOLDER / "publishers" / "checkpoints.json"


class Row(NamedTuple):
    """One small variant, and how its publisher saves it."""

    builder: callable
    arguments: dict
    publisher: str
    module: str  # the golden module that builds the reference network, and
    golden: str  # the golden whose scales keep its signal healthy
    ending: str = "pth"

    @property
    def id(self):
        """Name of the variant and the publisher."""
        return f"{self.golden}: {self.publisher}"


ROWS = (
    Row(kl.MicroNetM0, {}, "the authors", "micronet", "MicroNetM0", "pth.tar"),
    Row(kl.MicroNetM3, {}, "the authors", "micronet", "MicroNetM3"),
    Row(kl.ReXNet, {"alpha": 0.6}, "the authors", "rexnet", "ReXNet-alpha=0.6"),
    Row(kl.ReXNet, {"alpha": 0.6}, "timm", "rexnet", "ReXNet-alpha=0.6", "safetensors"),
    Row(kl.ReXNetLite, {"alpha": 0.6}, "the authors", "rexnet", "ReXNetLite-alpha=0.6"),
    Row(kl.ReXNetR, {"alpha": 1.0}, "timm", "rexnet", "ReXNetR-alpha=1.0", "safetensors"),
    Row(
        *(kl.ShuffleNet, {"groups": 3, "alpha": 0.25}, "pytorchcv", "shufflenet", "ShuffleNet-groups=3-alpha=0.25"),
        "pth.zip",
    ),
    Row(
        *(kl.ShuffleNet, {"groups": 3, "alpha": 0.25}, "tf2cv", "shufflenet", "ShuffleNet-groups=3-alpha=0.25"),
        "tf2.h5.zip",
    ),
    Row(
        *(kl.ShuffleNet, {"groups": 8, "alpha": 0.5}, "megvii", "megvii.shufflenet"),
        *("megvii_shufflenet-groups=8-alpha=0.5", "pth.tar"),
    ),
    Row(
        *(kl.ShuffleNet, {"groups": 3, "alpha": 1.5}, "megvii", "megvii.shufflenet"),
        *("megvii_shufflenet-groups=3-alpha=1.5", "pth.tar"),
    ),
    Row(kl.ShuffleNetV2, {"alpha": 0.5}, "pytorchcv", "shufflenet_v2", "ShuffleNetV2-alpha=0.5", "pth.zip"),
    Row(kl.ShuffleNetV2, {"alpha": 0.5}, "tf2cv", "shufflenet_v2", "ShuffleNetV2-alpha=0.5", "tf2.h5.zip"),
    Row(
        *(kl.ShuffleNetV2, {"alpha": 0.5}, "megvii", "megvii.shufflenet_v2"),
        *("megvii_shufflenet_v2-alpha=0.5", "pth.tar"),
    ),
    Row(
        *(kl.ShuffleNetV2, {"alpha": 0.5}, "torchvision", "torchvision.shufflenet_v2"),
        "torchvision_shufflenet_v2-alpha=0.5",
    ),
    Row(kl.MicroNetM0, {}, "paddleclas", "micronet", "MicroNetM0", "pdparams"),
    Row(kl.MicroNetM3, {}, "paddleclas", "micronet", "MicroNetM3", "pdparams"),
    Row(kl.ReXNet, {"alpha": 0.6}, "paddleclas", "rexnet", "ReXNet-alpha=0.6", "pdparams"),
    Row(
        *(kl.ShuffleNetV2, {"alpha": 0.5}, "paddleclas", "torchvision.shufflenet_v2"),
        *("torchvision_shufflenet_v2-alpha=0.5", "pdparams"),
    ),
)
# Which of the three ways below runs the network of a publisher.
WAYS = {"tf2cv": "tf2cv", "paddleclas": "paddle"}


def reference_module(row):
    """The golden module of a row."""
    return importlib.import_module(f"tools.goldens.{row.module}_reference")


def seeded(row):
    """Returns a network with the variables of a row's checkpoint, and their seeded arrays."""
    goldens = json.loads((FOLDER / f"{row.module.replace('.', '/')}.json").read_text())
    # The private forms of networks have other variables than the public ones.
    private = {f"{c.id}": c for c in getattr(reference_module(row), "CASES", ())}.get(row.golden)
    build, arguments = (private.build, private.kwargs) if private else (row.builder, row.arguments)
    model = build(**arguments, weights=None, input_shape=IMAGES[1:], classifier_activation=None)
    return model, seed_weights(model, goldens[row.golden]["scales"])


def images_for(publisher):
    """Returns normalised images, and the pixels that the publisher's network takes for them."""
    # tf2cv's networks pool 7x7 pixels.
    images = seeded_images((2, 224, 224, 3) if publisher == "tf2cv" else IMAGES)
    mean, std = (np.array(values, "float32") for values in IMAGENET_STATISTICS)
    return images, ((images * std + mean)[..., ::-1] if publisher == "megvii" else images)


def inventory(arrays):
    """Returns the number of tensors of a state and a digest of their names and shapes, counters left out."""
    lines = sorted(f"{n} {tuple(array.shape)}" for n, array in arrays.items() if "num_batches_tracked" not in n)
    return {"tensors": len(lines), "sha256": hashlib.sha256("\n".join(lines).encode()).hexdigest()}


def save_torch(state, path, ending):
    """Saves a PyTorch state as publishers do, by the ending of the file."""
    import torch

    if ending == "safetensors":
        from safetensors.torch import save_file

        save_file(state, path)
    elif ending == "pth.tar":
        state = {f"module.{name}": tensor for name, tensor in state.items()}
        torch.save({"epoch": 600, "arch": "network", "state_dict": state, "best_prec1": 0.0}, path)
    elif ending == "pth":
        torch.save(state, path)
    else:
        plain = path.with_suffix("")
        torch.save(state, plain)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(plain, plain.name)


def by_torch(row, model, arrays, pixels, path, sources):
    """Runs a PyTorch network and saves its state; returns logits and inventory."""
    case = next((c for c in getattr(reference_module(row), "CASES", ()) if c.id == row.golden), None)
    if case is None:
        case = next(c for c in importlib.import_module("tools.zoo").ZOO if c.id == row.golden)
    for name in ("network", "blocks"):  # what both of megvii's repositories name their modules
        sys.modules.pop(name, None)
    networks = reference_module(row).networks(case, sources.get(row.module.split(".")[0]))
    reference: Reference = next(network for network in networks if network.publisher == row.publisher)
    arrays = arrays | ({"logits/bias": np.zeros(1000, "float32")} if reference.layout.without_bias else {})
    expected = logits(reference, model, arrays, np.ascontiguousarray(pixels))
    state = reference.network.state_dict()
    save_torch(state, path, row.ending)
    return expected, inventory(state)


def by_tf2cv(row, model, arrays, pixels, path, sources):
    """Runs a network of tf2cv and saves its weights; returns logits and inventory."""
    import h5py
    from tf2cv.model_provider import get_model

    from keras_lightnets.weights.opening import without_scopes
    from keras_lightnets.weights.readers import read

    name = {"ShuffleNet": "shufflenet_g3_wd4", "ShuffleNetV2": "shufflenetv2b_wd2"}[row.builder.__name__]
    network = get_model(name, data_format="channels_last")
    network(pixels)
    plain = path.with_suffix("")
    network.save_weights(plain)
    ours = checkpoint(model, arrays, row.builder.__name__, "tf2cv")
    with h5py.File(plain, "a") as file:
        for layer in file.attrs["layer_names"]:
            for tensor in file[layer].attrs["weight_names"]:
                file[layer][tensor][...] = ours.pop(without_scopes(tensor.removesuffix(":0")))
    if ours:
        raise SystemExit(f"not matched: {list(ours)}")
    network.load_weights(plain)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(plain, plain.name)
    names = {without_scopes(name): array for name, array in read(plain).arrays.items()}
    return network(pixels).numpy(), inventory(names)


def save_paddle(state, path):
    """Saves arrays as `paddle.save` does with the state of a network."""
    names = {name: f"parameter_{number}" for number, name in enumerate(state)}
    path.write_bytes(pickle.dumps({**state, "StructuredToParameterName@@": names}, protocol=4))


def by_paddle(row, model, arrays, pixels, path, sources):
    """Runs a network of PaddleClas and saves its state; returns logits and inventory."""
    import paddle

    network = paddleclas_reference.network(row.builder.__name__, row.arguments, sources["paddleclas"])
    ours = checkpoint(model, arrays, row.builder.__name__, "paddleclas")
    state = network.state_dict()
    if set(ours) != set(state):
        raise SystemExit(f"not matched: {set(ours) ^ set(state)}")
    for name, parameter in state.items():
        parameter.set_value(ours[name])
    paddle.save(network.state_dict(), str(path))
    network.eval()
    images = paddle.to_tensor(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))
    return network(images).numpy(), inventory(state)


def main():
    """Runs the references and writes what they said."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("which", choices=("torch", "tf2cv", "paddle"))
    for name in ("micronet", "rexnet", "megvii", "paddleclas"):
        parser.add_argument(f"--{name}", type=Path)
    arguments = parser.parse_args()
    found = json.loads(FILE.read_text()) if FILE.exists() else {}
    run = {"torch": by_torch, "tf2cv": by_tf2cv, "paddle": by_paddle}[arguments.which]
    for row in ROWS:
        if WAYS.get(row.publisher, "torch") != arguments.which:
            continue
        model, arrays = seeded(row)
        images, pixels = images_for(row.publisher)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"reference.{row.ending}"
            expected, contents = run(row, model, arrays, pixels, path, vars(arguments))
            ours = row.builder(
                **row.arguments, weights=path, input_shape=images.shape[1:], classifier_activation=None
            ).predict(images, verbose=0)
        difference, between = relative_difference(ours, expected), relative_difference(expected[:1], expected[1:])
        print(f"{row.id}: {difference:.1e} of the range; the two images differ by {between:.1e}", flush=True)
        if not (difference < TOLERANCE and between > 20 * TOLERANCE):
            raise SystemExit(f"{row.id} differs from the reference, or does not tell two images apart")
        sampled = [[float(f"{x:.6g}") for x in line] for line in expected[:, ::STEP]]
        found[row.id] = {"difference": float(f"{difference:.1e}"), **contents, "logits": sampled}
    lines = [f"{json.dumps(row.id)}: {json.dumps(found[row.id])}" for row in ROWS if row.id in found]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
