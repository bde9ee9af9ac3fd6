"""An environment of its own for each client, made at first use under `.clients`."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".clients"


class NotInstalled(Exception):
    """Why a client cannot be had on this machine, in a line."""


class Environment(NamedTuple):
    """What a client needs.

    Attributes:
        name: str, of its folder under `.clients`.
        requirements: tuple of str, for pip, with versions.
        pythons: tuple of str, names of the interpreters that it takes, the best first. Empty for this one.
        programs: tuple of str, what must be on the PATH, such as "chromium".
    """

    name: str
    requirements: tuple[str, ...]
    pythons: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()

    def install(self):
        """Returns the path of the environment's Python, made unless it is there; `NotInstalled` if it cannot be."""
        for program in self.programs:
            if shutil.which(program) is None:
                raise NotInstalled(f"{program} is not installed")
        base = next(filter(None, map(shutil.which, self.pythons or (sys.executable,))), None)
        if base is None:
            raise NotInstalled(f"needs one of {', '.join(self.pythons)}")
        folder = FOLDER / self.name
        python, stamp = folder / "bin" / "python", folder / "requirements.json"
        wanted = json.dumps([base, *self.requirements])
        if not stamp.exists() or stamp.read_text() != wanted:
            _run([base, "-m", "venv", "--clear", str(folder)])
            _run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *self.requirements])
            stamp.write_text(wanted)
        return python

    def run(self, script, *arguments):
        """Runs a script of this folder; returns what it prints, JSON.

        Raises:
            NotInstalled: if the environment cannot be made.
            RuntimeError: with the last line of what a script that failed said.
        """
        command = [self.install(), Path(__file__).with_name(f"run_{script}.py"), *arguments]
        run = subprocess.run(list(map(str, command)), capture_output=True, text=True, errors="replace", timeout=600)
        if run.returncode:
            said = run.stderr.strip().splitlines()
            raise RuntimeError(said[-1] if said else f"it ended with status {run.returncode}")
        return json.loads(run.stdout.strip().splitlines()[-1])


def _run(command):
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True, errors="replace")
    if run.returncode:
        said = [line for line in run.stderr.splitlines() if line.startswith("ERROR")] or run.stderr.splitlines()
        raise NotInstalled(said[-1] if said else f"{command[0]} ended with status {run.returncode}")


_OLD_PYTHONS = ("python3.11", "python3.10", "python3.9")
MEDIAPIPE = Environment("mediapipe", ("mediapipe==1.2.3",))
TFLITE_RUNTIME = Environment("tflite_runtime", ("tflite-runtime==2.14.0", "numpy<2"), _OLD_PYTHONS)
TENSORFLOW_2_15 = Environment("tensorflow_2_15", ("tensorflow-cpu==2.15.1",), _OLD_PYTHONS)
OPENVINO = Environment("openvino", ("openvino==2026.4.1",))
_CORE = ("ai-edge-litert==2.3.0", "ai-edge-quantizer==0.10.0", "pillow", "rich", "typer")
KERAS = Environment(
    "keras", ("tensorflow-cpu==2.21.0", "keras==3.15.0", "tf2onnx==1.17.0", "onnxruntime==1.32.0", *_CORE)
)
MICRO = Environment("micro", ("tflite-micro==0.dev20261023182759",))
BROWSER = Environment("browser", ("playwright==1.65.2",), programs=("chromium", "npm"))
