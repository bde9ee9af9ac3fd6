"""Learning the class of every pixel: `LRASPP` as a task of the training loop."""

import keras

from keras_lightnets.data.annotations.masks import IGNORED
from keras_lightnets.evaluation import masks
from keras_lightnets.evaluation.overlays import sheet, with_mask
from keras_lightnets.export.agreement import mean_iou
from keras_lightnets.training.annotated import AnnotatedTask


class Segmentation(AnnotatedTask):
    """The loss, the figures and the files of a segmenter. `AnnotatedTask` has the rest."""

    def objective(self):
        """Returns the loss and the metrics, as arguments of `keras.Model.compile`."""
        classes = len(self.data.classes)
        return {
            "loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=IGNORED),
            "metrics": [keras.metrics.MeanIoU(classes, "mean_iou", ignore_class=IGNORED, sparse_y_pred=False)],
        }

    def figures(self, logs):
        """Returns the figures of an epoch for its history, a dict of float, from the logs of Keras."""
        return {name: logs[name] for name in ("loss", "mean_iou", "val_loss", "val_mean_iou")}

    def line(self, figures):
        """Returns the figures of an epoch as text for the terminal."""
        return f"loss {figures['loss']:.3f}  mIoU {figures['mean_iou']:.3f}  validation {figures['val_mean_iou']:.3f}"

    def rank(self, epoch):
        """Returns what the best epoch of a history has most of: mean IoU in validation, then a low loss."""
        return epoch["val_mean_iou"], -epoch["val_loss"]

    def test(self, model):
        """Returns the mean intersection over union on the test images, as `evaluation.masks` has it."""
        source, classes = self.data.splits["test"], self.data.classes

        def segment(images):
            return model.predict_on_batch(images).argmax(-1)

        matrix, _ = masks.measure(segment, source, classes, self.config.evaluation)
        return {"test": {"images": source.count, **masks.summarize(matrix, classes)}}

    def compared(self, reference, targets):
        """Returns the mean IoU of the model of a `Reference` on its samples."""
        return mean_iou(reference.expected[0].argmax(-1), targets, len(self.data.classes))

    def picture(self, model, output):
        """Draws test images into `held_out.png` with the classes that the model gives to their pixels."""
        pixels, _, images = self.shown()
        found = model.predict(images, verbose=0).argmax(-1)
        sheet([with_mask(image, mask) for image, mask in zip(pixels, found, strict=True)], output / "held_out.png")
