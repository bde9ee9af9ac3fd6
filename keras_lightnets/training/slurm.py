"""The workers of a Slurm job step, from the variables that Slurm sets for each of its tasks."""

import itertools
import os
import re

from keras_lightnets.errors import UserError

_FIRST_PORT, _PORTS, _TASKS_PER_NODE = 20000, 10000, 20


def slurm_cluster():
    """Returns the addresses of the tasks of this job step and the number of this one, or None outside of a step.

    Ports are decided by the number of the job. TensorFlow's own resolver wants nvidia-smi on every node, and sorts the
    nodes by their letters, so that from ten nodes on the tasks have the addresses of others.

    Raises:
        UserError: if the variables do not describe a job step.
    """
    if int(os.environ.get("SLURM_STEP_NUM_TASKS", 1)) < 2:
        return None
    try:
        nodes = _expand(os.environ["SLURM_STEP_NODELIST"])
        tasks = _repeat(os.environ["SLURM_STEP_TASKS_PER_NODE"])
        worker, job = int(os.environ["SLURM_PROCID"]), int(os.environ["SLURM_JOB_ID"])
        first = _FIRST_PORT + job * _TASKS_PER_NODE % _PORTS
        addresses = [f"{node}:{first + i}" for node, count in zip(nodes, tasks, strict=True) for i in range(count)]
    except (KeyError, ValueError) as error:
        raise UserError(f"The SLURM_ variables of this job step cannot be read ({error}). Set TF_CONFIG.") from error
    return addresses, worker


def _expand(nodes):
    """Returns the names in a list such as "gpu[1-2,07],rack3"."""
    names = []
    for name in re.findall(r"(?:\[[^]]*\]|[^,[])+", nodes):
        parts = re.split(r"\[(.*?)\]", name)
        choices = [[part] if i % 2 == 0 else list(_range(part)) for i, part in enumerate(parts)]
        names += ["".join(choice) for choice in itertools.product(*choices)]
    return names


def _range(numbers):
    for part in numbers.split(","):
        first, _, last = part.partition("-")
        for number in range(int(first), int(last or first) + 1):
            yield str(number).zfill(len(first))


def _repeat(counts):
    """Returns the numbers in a list such as "2(x3),1"."""
    return [int(count) for count, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", counts) for _ in range(int(times or 1))]
