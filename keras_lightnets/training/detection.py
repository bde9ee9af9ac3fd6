"""Learning where the objects of an image are: `SSDLite` as a task of the training loop."""

from keras_lightnets.detection import decode_detections
from keras_lightnets.evaluation import detections
from keras_lightnets.evaluation.overlays import sheet, with_boxes
from keras_lightnets.export.agreement import average_precision
from keras_lightnets.training.annotated import AnnotatedTask


class Detection(AnnotatedTask):
    """The loss, the figures and the files of a detector. `AnnotatedTask` has the rest."""

    files = AnnotatedTask.files | {"model_detections.tflite": {"detections": True}}

    def objective(self):
        """Returns nothing: the detector knows its loss."""
        return {}

    def figures(self, logs):
        """Returns the figures of an epoch for its history, a dict of float, from the logs of Keras."""
        return {name: logs[name] for name in ("loss", "val_loss")}

    def line(self, figures):
        """Returns the figures of an epoch as text for the terminal."""
        return f"loss {figures['loss']:.3f}  validation {figures['val_loss']:.3f}"

    def rank(self, epoch):
        """Returns what the best epoch of a history has most of: a low validation loss."""
        return (-epoch["val_loss"],)

    def test(self, model):
        """Returns the average precision on the test images, as `evaluation.detections` has it."""
        source, classes = self.data.splits["test"], self.data.classes

        def detect(images):
            return decode_detections(model.predict_on_batch(images), model.anchors, detections.LEAST_SCORE)

        metric, images = detections.measure(detect, source, classes, self.config.evaluation)
        return {"test": {"images": source.count, **detections.summarize(metric, images, classes)}}

    def compared(self, reference, objects):
        """Returns the average precision of the model of a `Reference` on its samples."""
        return average_precision(reference.expected, reference.anchors, objects, len(self.data.classes))

    def picture(self, model, output):
        """Draws test images into `held_out.png` with the detections of the model."""
        pixels, _, images = self.shown()
        found = decode_detections(model.predict(images, verbose=0), model.anchors)
        drawn = [
            with_boxes(image, *(found[name][number] for name in ("boxes", "labels", "scores")), self.data.classes)
            for number, image in enumerate(pixels)
        ]
        sheet(drawn, output / "held_out.png")
