"""Classifies a photo as a microcontroller would: python classify.py MODEL.tflite PHOTO

Needs tflite-micro, numpy and pillow, and nothing of keras_lightnets: the file says what it wants.
"""

import json
import sys
import zipfile

import numpy as np
from PIL import Image, ImageOps
from tflite_micro.python.tflite_micro.runtime import Interpreter

model, photo = sys.argv[1:]
about = json.loads(zipfile.ZipFile(model).read("keras_lightnets.json"))
size, crop = about["input"]["size"], about["input"]["crop"]

# The central square, scaled bilinearly.
image = ImageOps.exif_transpose(Image.open(photo)).convert("RGB")
side = round(crop * min(image.size))
left, top = (image.width - side) // 2, (image.height - side) // 2
image = image.crop((left, top, left + side, top + side)).resize((size, size), Image.Resampling.BILINEAR)

# Pixels 0-255 as the network was trained on them, in the steps of the file's input.
pixels = (np.asarray(image, "float32") - about["input"]["mean"]) / about["input"]["std"]
interpreter = Interpreter.from_file(model, arena_size=300_000)
taken, given = interpreter.get_input_details(0), interpreter.get_output_details(0)
steps, limits = taken["quantization_parameters"], np.iinfo(taken["dtype"])
pixels = np.round(pixels / steps["scales"] + steps["zero_points"]).clip(limits.min, limits.max)
interpreter.set_input(pixels[None].astype(taken["dtype"]), 0)
interpreter.invoke()

steps = given["quantization_parameters"]
scores = (interpreter.get_output(0)[0].astype("float32") - steps["zero_points"]) * steps["scales"]
for number in np.argsort(scores)[::-1][:3]:
    print(f"{about['labels'][number]}  {scores[number]:.3f}")
