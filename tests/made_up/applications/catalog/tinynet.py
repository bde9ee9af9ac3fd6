"""TinyNet: its only variant and what is known of it."""

from keras_lightnets.applications.family import Family, Pyramid, Variant
from keras_lightnets.preprocessing import SYMMETRIC

FAMILY = Family(
    module="tinynet",
    title="TinyNet",
    paper="Nobody, TinyNet, nowhere",
    link="https://arxiv.org/abs/0000.00000",
    about="Five convolutions.",
    differences={"the paper": "There is none."},
    preprocessing=SYMMETRIC,
    identity={},
    head=("tiny_classes",),
    classes=("tiny_classes",),
    pyramid=Pyramid(mark="tiny1", ends=r"tiny\d_relu"),
    counted="its own layers",
    variants=(Variant("TinyNet", {}, 40_042, 40_166, 1_737_984, (2, 4, 8, 16, 32)),),
)
