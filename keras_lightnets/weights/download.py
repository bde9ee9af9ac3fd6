"""Downloads that are whole and checked, or absent.

Files go to Keras' cache, `$KERAS_HOME/models` or `~/.keras/models`. Environment variables:
`KERAS_LIGHTNETS_MIRROR`, an address that serves `<mirror>/<host>/<path>` in place of every `https://<host>/<path>`;
`KERAS_LIGHTNETS_OFFLINE=1`, which takes files from the cache only and opens no connection.
"""

import hashlib
import http.client
import os
import shutil
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import rich.console
import rich.progress

from keras_lightnets.errors import UserError
from keras_lightnets.weights.readers import unzipped
from keras_lightnets.weights.records import shipped

ATTEMPTS = 3
PAUSE = 0.5  # seconds before the second attempt, doubled before each further one
TIMEOUT = 30  # seconds without a byte
CHUNK = 1 << 16  # bytes


def cached(record):
    """Returns the path of a record's file in the cache or the package, whether it is there or not."""
    if record.shipped:
        return shipped.FOLDER / record.file
    folder = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models"
    # Where Keras itself looks for the files of keras.applications.
    return folder / record.file if record.name.startswith("keras/") else folder / "keras_lightnets" / record.file


def fetch(record):
    """Returns the path of a record's file, downloaded unless it is in the cache.

    Args:
        record: `WeightRecord` that is shipped or has at least one address.

    Raises:
        UserError: if the file cannot be had, or is not the one that the publisher describes.
    """
    path = cached(record)
    if record.shipped:
        if complaint := _mismatch(path, record) if path.exists() else "is missing":
            raise UserError(
                f"The file {path} of the weights {record.name!r} {complaint}: install keras_lightnets again."
            )
        return path
    if path.exists():
        if not (complaint := _mismatch(path, record)):
            return path
        # A file that was damaged since.
        if offline():
            raise UserError(f"The cached weights file {path} {complaint}. Delete it and download it again.")
    if offline():
        raise UserError(
            f"The weights {record.name!r} are not in the cache and KERAS_LIGHTNETS_OFFLINE is set: unset it, or get "
            f"{record.urls[0]} and store it as {path}."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    failures = []
    for url in map(_mirrored, record.urls):
        try:
            _download(url, path, record)
            return path
        except UserError as error:
            failures.append(str(error))
    raise UserError(
        f"The weights {record.name!r} cannot be downloaded: {'; '.join(failures)}. Get the file yourself (see "
        f"{record.page}) and pass its path as `weights`, or set KERAS_LIGHTNETS_MIRROR to a mirror."
    )


def offline():
    """Whether the environment forbids connections."""
    return os.environ.get("KERAS_LIGHTNETS_OFFLINE", "").lower() not in ("", "0", "false")


def _mirrored(url):
    if not (mirror := os.environ.get("KERAS_LIGHTNETS_MIRROR")):
        return url
    parts = urllib.parse.urlsplit(url)
    return f"{mirror.rstrip('/')}/{parts.netloc}{parts.path}"


def _download(url, path, record):
    """Downloads to a folder of its own beside `path`, checks, and renames: other processes see whole files only."""
    for attempt in range(1, ATTEMPTS + 1):
        folder = tempfile.mkdtemp(prefix=".partial-", dir=path.parent)
        partial = Path(folder) / record.file
        try:
            _stream(url, partial)
            if not (reason := _mismatch(partial, record)):
                os.replace(partial, path)
                return
            reason, passing = f"the file at {url} {reason}", True
        except (OSError, http.client.HTTPException) as error:
            reason, passing = f"URL fetch failure on {url}: {_said(error)}", _is_passing(error)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if attempt == ATTEMPTS or not passing:
            raise UserError(f"{reason} (attempt {attempt} of {ATTEMPTS})")
        time.sleep(PAUSE * 2 ** (attempt - 1))


def _stream(url, path):
    """Writes what an address serves to a file, with its progress on standard error."""
    with (
        urllib.request.urlopen(url, timeout=TIMEOUT) as answer,
        path.open("wb") as file,
        rich.progress.Progress(
            rich.progress.TextColumn("{task.description}"),
            rich.progress.BarColumn(),
            rich.progress.DownloadColumn(),
            rich.progress.TimeRemainingColumn(),
            console=rich.console.Console(stderr=True),
            redirect_stdout=False,
            redirect_stderr=False,
        ) as progress,
    ):
        size = getattr(answer, "length", None)
        task = progress.add_task(path.name, total=size)
        while chunk := answer.read(CHUNK):
            file.write(chunk)
            progress.advance(task, len(chunk))
    if size and path.stat().st_size < size:
        raise urllib.error.ContentTooShortError(f"got only {path.stat().st_size} out of {size} bytes", None)


def _said(error):
    if isinstance(error, urllib.error.HTTPError):
        return f"{error.code} -- {error.msg}"
    return str(getattr(error, "reason", error)) or type(error).__name__


def _is_passing(error):
    """Whether another attempt may do better."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code >= 500 or error.code == 429
    if isinstance(error, urllib.error.ContentTooShortError):
        return True
    if isinstance(error, urllib.error.URLError):
        return isinstance(error.reason, TimeoutError | ConnectionResetError)
    return isinstance(error, TimeoutError | ConnectionError | http.client.HTTPException)


def _mismatch(path, record):
    """Says how a file differs from what its publisher states; "" if it does not."""
    if record.size is not None and os.path.getsize(path) != record.size:
        return f"has {os.path.getsize(path)} bytes where the publisher has {record.size}"
    if record.digest is None:
        return ""
    algorithm, expected = record.digest.split(":")
    content = unzipped(path) if record.format.endswith("in zip") else Path(path).read_bytes()
    found = hashlib.new(algorithm, content).hexdigest()
    return "" if found.startswith(expected) else f"has {algorithm} {found} where the publisher has {expected}"
