"""The records of the MobileNets: the files of `keras.applications`, whose builders of the same names take them."""

from keras_lightnets.weights.records.record import INSIDE, SYMMETRIC, WeightRecord, of_width

_HOST = "https://storage.googleapis.com/tensorflow/keras-applications"
_SLIM_V1 = "mobilenet_v1.md of TensorFlow's slim models"
_SLIM = "README of TensorFlow's slim models"

# Top-1 at 224, 192, 160 and 128 pixels, for V2 also at 96. The wide V2 were published at 224 only.
_V1 = {
    1.0: (70.9, 70.0, 68.0, 65.2),
    0.75: (68.4, 67.2, 65.3, 62.1),
    0.5: (63.3, 61.7, 59.1, 56.3),
    0.25: (49.8, 47.7, 45.5, 41.5),
}
_V2 = {
    1.4: (75.0, None, None, None, None),
    1.3: (74.4, None, None, None, None),
    1.0: (71.8, 70.7, 68.8, 65.3, 60.3),
    0.75: (69.8, 68.7, 66.4, 63.2, 58.8),
    0.5: (65.4, 63.9, 61.0, 57.7, 51.2),
    0.35: (60.3, 58.2, 55.7, 50.8, 45.5),
}
# Network and width, top-1 with its source, and the MD5 sums that Keras checks: with and without the classifier.
_V3 = {
    ("large", 0.75): (73.3, "paper", "765b44a33ad4005b3ac83185abf1d0eb", "40af19a13ebea4e2ee0c676887f69a2e"),
    ("large", 1.0): (75.2, "paper", "59e551e166be033d707958cf9e29a6a7", "07fb09a5933dd0c8eaafa16978110389"),
    ("large_minimalistic", 1.0): (72.3, _SLIM, "675e7b876c45c57e9e63e6d90a36599c", "ec5221f64a2f6d1ef965a614bdae7973"),
    ("small", 0.75): (65.4, "paper", "cb65d4e5be93758266aa0a7f2c6708b7", "ebdb5cc8e0b497cd13a7c275d475c819"),
    ("small", 1.0): (67.4, "paper", "8768d4c2e7dee89b9d02b2d03d65d862", "d3e8ec802a04aa4fc771ee12a9a9b836"),
    ("small_minimalistic", 1.0): (61.9, _SLIM, "99cd97fb2fcdad2bf028eb838de69e37", "cde8136e733e811080d9fcd8a252f7e4"),
}


def _record(builder, folder, arguments, name, file, include_top, size, digest, preprocessing, top1, source):
    return WeightRecord(
        name=f"keras/{name}",
        builder=builder,
        arguments=arguments,
        urls=(f"{_HOST}/{folder}/{file}",),
        file=file,
        format="h5",
        size=None,
        digest=digest,
        licence="Apache-2.0 (that of Keras' code)",
        classes=1000,
        input_size=size,
        preprocessing=preprocessing,
        top1=top1,
        top1_source=None if top1 is None else source,
        page="https://keras.io/api/applications/mobilenet/",
        imagenet=size == 224,
        include_top=include_top,
        unverified=("reachable", "size", "licence") if digest else ("reachable", "size", "digest", "licence"),
    )


def _v1(include_top):
    ending = "" if include_top else "_no_top"
    for alpha, row in _V1.items():
        for size, top1 in zip((224, 192, 160, 128), row, strict=True):
            width = {1.0: "1_0", 0.75: "7_5", 0.5: "5_0", 0.25: "2_5"}[alpha]
            file = f"mobilenet_{width}_{size}_tf{ending}.h5"
            name, arguments = f"mobilenet_{alpha}_{size}", of_width(alpha)
            yield _record(
                *("MobileNet", "mobilenet", arguments, name, file, include_top, size, None, SYMMETRIC, top1, _SLIM_V1)
            )


def _v2(include_top):
    ending = "" if include_top else "_no_top"
    for alpha, row in _V2.items():
        for size, top1 in zip((224, 192, 160, 128, 96), row, strict=True):
            file = f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{alpha}_{size}{ending}.h5"
            name, arguments = f"mobilenet_v2_{alpha}_{size}", of_width(alpha)
            yield _record(
                *("MobileNetV2", "mobilenet_v2", arguments, name, file, include_top, size, None, SYMMETRIC, top1, _SLIM)
            )


def _v3(include_top):
    ending = ".h5" if include_top else "_no_top_v2.h5"
    for (network, alpha), (top1, source, *digests) in _V3.items():
        kind, _, minimalistic = network.partition("_")
        builder = f"MobileNetV3{kind.title()}"
        arguments = of_width(alpha) | ({"minimalistic": True} if minimalistic else {})
        file = f"weights_mobilenet_v3_{network}_224_{alpha}_float{ending}"
        name, digest = f"mobilenet_v3_{network}_{alpha}", f"md5:{digests[not include_top]}"
        yield _record(*(builder, "mobilenet_v3", arguments, name, file, include_top, 224, digest, INSIDE, top1, source))


RECORDS = tuple(record for family in (_v1, _v2, _v3) for include_top in (True, False) for record in family(include_top))


def keras_record(network, include_top, shape):
    """Returns the record of the file that a builder of `keras.applications` will load, or None if it will refuse.

    Args:
        network: `Network` of the builder of the same name.
        include_top: bool.
        shape: shape of its input without the batch, or `()` for the default.
    """
    sides = {side for side in shape if side not in (1, 3)}
    size = sides.pop() if len(sides) == 1 else None
    fitting = [record for record in RECORDS if network.takes(record) and record.include_top == include_top]
    native = next((record for record in fitting if record.input_size == size), None)
    if native is None and include_top and shape and "V3" not in network.builder:
        return None
    # Other sizes take the weights of 224 pixels.
    return native or next((record for record in fitting if record.input_size == 224), None)
