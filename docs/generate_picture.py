"""Runs what `make demo` runs and draws its terminal as docs/demo.svg: python -m docs.generate_picture."""

import tempfile
from pathlib import Path

import rich.console

from keras_lightnets.training import Options, finetune
from keras_lightnets.training.digits import write_digits


def main():
    """Writes docs/demo.svg."""
    with tempfile.TemporaryDirectory() as folder:
        data, output = Path(folder, "digits"), Path(folder, "out")
        write_digits(data)
        console = rich.console.Console(record=True, width=80)
        options = Options("MicroNetM0", data=data, output=str(output), size=32, epochs=30, flip=False)
        report = finetune(options)
        from keras_lightnets.training.progress import Progress

        Progress(console).result(report, "demo/out")
    console.save_svg(str(Path(__file__).with_name("demo.svg")), title="make demo")


if __name__ == "__main__":
    main()
