"""Files that are whole or absent, and the metadata that travels inside a model file."""

import contextlib
import csv
import json
import os
import shutil
import zipfile
from pathlib import Path

from keras_lightnets.errors import NotWrittenError, UserError

# A `.keras` file is a zip archive, and a `.tflite` file may have one at its end: flatbuffer readers ignore the tail.
METADATA = "keras_lightnets.json"
# Names of a thousand classes take 20 kB.
_LARGEST_METADATA = 16_000_000


@contextlib.contextmanager
def replacing(path):
    """Yields a temporary path with the ending of `path`. A finished file is renamed to `path`, any other is removed."""
    path = Path(path)
    temporary = path.with_name(f".partial.{path.name}")
    try:
        # A killed process may have left one.
        _remove(temporary)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise NotWrittenError(
            f"Cannot write {path}: {error.strerror or error}. Free space there, or choose another place."
        ) from error
    finally:
        # What cannot be removed could not be written: that is the error to see.
        with contextlib.suppress(OSError):
            _remove(temporary)


def _remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


@contextlib.contextmanager
def reading(path, way_out):
    """Raises a UserError that names `path`, and the way out, for whatever goes wrong while its content is taken."""
    try:
        yield
    except UserError:
        raise
    # What json, zipfile and NumPy raise for damaged files is not documented.
    except Exception as error:
        reason = next(iter(str(error).strip().splitlines()), "")
        reason = reason if isinstance(error, OSError) else f"{type(error).__name__}: {reason}"
        raise UserError(f"{path} is damaged or cannot be read ({reason:.200}). {way_out}") from error


def read_json(path, way_out):
    """Returns the dict in a JSON file. Without one, a UserError names the file and the way out."""
    with reading(path, way_out):
        content = json.loads(Path(path).read_text("utf-8"))
        if not isinstance(content, dict):
            raise TypeError(f"it holds no object, but a {type(content).__name__}")
        return content


@contextlib.contextmanager
def locked(path, way_out):
    """Holds the lock file `path`, in an existing folder, against other processes. A kill releases it.

    Raises:
        UserError: if another process holds it, with the way out.
    """
    # Not on every system.
    import fcntl

    with open(path, "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"Another process is writing to {Path(path).parent}. {way_out}") from None
        try:
            yield
        finally:
            Path(path).unlink(missing_ok=True)


def write_json(path, content):
    """Writes `content` as JSON, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")


def write_csv(path, rows):
    """Writes `rows`, dicts with the same keys, as a table with a header, whole or not at all."""
    with replacing(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def add_metadata(path, metadata, texts=None):
    """Appends `metadata`, a dict of JSON values, to a `.tflite` or `.keras` file.

    Args:
        path: str or Path of the file.
        metadata: dict of JSON values.
        texts: dict from the names of further files to their text. Defaults to none.
    """
    with zipfile.ZipFile(path, "a") as archive:
        for name, text in {METADATA: json.dumps(metadata), **(texts or {})}.items():
            archive.writestr(name, text)


def read_metadata(path):
    """Returns the metadata inside a `.tflite` or `.keras` file, or None if it has none. Damage is a UserError."""
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile:
        return None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error
    with archive:
        try:
            member = archive.getinfo(METADATA)
        except KeyError:
            return None
        try:
            if member.file_size > _LARGEST_METADATA:
                raise ValueError(f"{member.file_size} bytes")
            return json.loads(archive.read(member))
        # What zipfile and its decompressors raise for a damaged member is not documented.
        except Exception as error:
            raise UserError(
                f"The metadata inside {path} are damaged ({error}). Use the file as it was written."
            ) from error
