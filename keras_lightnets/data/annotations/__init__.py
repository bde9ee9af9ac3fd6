"""Annotated images for detectors and segmenters: boxes and masks, from their files to batches.

`open_annotated` opens a folder with boxes or masks, as `data.opening.open_data` opens class folders:

>>> data = open_annotated("photos", "detect", seed=0, holdout=0.1)  # doctest: +SKIP
>>> data.classes, data.splits["train"].count, data.contents["train"], data.left_out, data.bad  # doctest: +SKIP

`training_batches` and `evaluation_batches` give `(images, {"boxes", "labels"})` with the task "detect" and
`(images, masks)` with "segment", as `SSDLite` and `LRASPP` take them. `data.pipeline.steps_per_epoch` and
`data.pipeline.evaluation_steps` count them. Settings are as in `Config`.

>>> source = data.splits["train"]  # doctest: +SKIP
>>> detector.fit(training_batches(source, "detect", config), steps_per_epoch=steps_per_epoch(source, config))
...     # doctest: +SKIP

An image is shown whole, scaled to the square that the network takes. Boxes are relative to it. Crowds and difficult
objects have the label -2, which is neither an object nor background. The `targets` have their classes and the sizes of
the images, for `COCOMeanAP`.

One format is one file here: `find` tells whether a folder has it, `read` makes an `Annotated` of each image.
"""

from keras_lightnets.data.annotations.batches import evaluation_batches as evaluation_batches
from keras_lightnets.data.annotations.batches import targets as targets
from keras_lightnets.data.annotations.batches import training_batches as training_batches
from keras_lightnets.data.annotations.opening import open_annotated as open_annotated
