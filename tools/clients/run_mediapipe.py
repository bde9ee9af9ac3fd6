"""Classifies and embeds photos with MediaPipe Tasks: run_mediapipe.py MODEL PHOTO...

Prints the version and, photo by photo, the scores by label of the whole photo and of its central square, and the
embeddings of both.
"""

import importlib.metadata
import json
import sys

import mediapipe as mp
from mediapipe.tasks.python import BaseOptions, vision
from mediapipe.tasks.python.components.containers.rect import RectF


def central_square(image):
    """Returns the options that show a network the central square of an image."""
    side = min(image.width, image.height)
    x, y = (1 - side / image.width) / 2, (1 - side / image.height) / 2
    return vision.ImageProcessingOptions(region_of_interest=RectF(left=x, top=y, right=1 - x, bottom=1 - y))


def classify(model, photos):
    """Returns the scores by label of each photo and options."""
    options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_path=model))
    with vision.ImageClassifier.create_from_options(options) as classifier:
        results = [classifier.classify(image, how) for image in photos for how in (None, central_square(image))]
    return [{each.category_name: each.score for each in result.classifications[0].categories} for result in results]


def embed(model, photos):
    """Returns the outputs for each photo and options."""
    options = vision.ImageEmbedderOptions(base_options=BaseOptions(model_asset_path=model))
    with vision.ImageEmbedder.create_from_options(options) as embedder:
        results = [embedder.embed(image, how) for image in photos for how in (None, central_square(image))]
    return [result.embeddings[0].embedding.tolist() for result in results]


def main(model, *paths):
    """Prints what MediaPipe says."""
    photos = [mp.Image.create_from_file(path) for path in paths]
    scores, embeddings = classify(model, photos), embed(model, photos)
    found = {
        "whole": scores[::2],
        "square": scores[1::2],
        "embedded": embeddings[::2],
        "embedded_square": embeddings[1::2],
    }
    print(json.dumps({"version": importlib.metadata.version("mediapipe"), **found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
