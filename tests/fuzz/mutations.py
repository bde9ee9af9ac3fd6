"""What disks, networks and hostile people do to files. Every function takes bytes and a seeded `random.Random`."""

import contextlib
import copy
import io
import json
import re
import struct
import warnings
import zipfile
import zlib

import h5py
import numpy as np

_ODD_TOML = (
    *["inf", "-inf", "nan", "1e999", "0x7f", "1979-05-27", "07:32:00", "{a=1}"],
    *('"\\ud800"', "'''\n'''", "[" * 5000),
)
_ODD_VALUES = (
    *(None, True, False, 0, 1, -1, 2**31, 2**63, 10**400, 0.5, -0.0, 1e308, float("nan"), float("inf")),
    *("", "x", "../x", "/dev/zero", "a" * 5000, "\x00", "\udc80", "[kind]\n", "1e999", "nan", "keras>Dense"),
    *([], [[]], [None], [0] * 1000, {}, {"a": {}}, {"class_name": "Lambda", "config": {}}),
    *_ODD_TOML,
)
_ODD_WORDS = (
    *("nan", "-inf", "1e999", "-1", "0", "1", "0.5", "1e-300", "2.0000001", "9" * 30, "1_0", "\u0663", "x", "../x"),
    *("a" * 5000, "\x00", "\ud800", "\u2028", "</annotation>", "<object>", "<name/>", "&b;", "<!--", "#"),
)
_ODD_ATTRIBUTES = ("", "x", b"\xff", 5, np.float32("nan"), [1, 2], ["a", "b"], np.bool_(True))
_EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)
_MOST = 1 << 20


def flip(content, random):
    """Flips up to eight bits."""
    content = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 8))):
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    return bytes(content)


def truncate(content, random):
    """Cuts the end off."""
    return content[: random.randrange(len(content))]


def blank(content, random):
    """Blanks a block, as a bad block of a disk does."""
    start, size = random.randrange(len(content)), random.choice((4, 16, 512))
    filler = bytes([random.choice((0, 0xFF))])
    return content[:start] + filler * len(content[start : start + size]) + content[start + size :]


def splice(content, random):
    """Copies one part of the file over another."""
    size = random.randrange(1, 64)
    source, target = random.randrange(len(content)), random.randrange(len(content))
    return content[:target] + content[source : source + size] + content[target + size :]


def double(content, random):
    """Repeats a part of the file in its place, or leaves it out."""
    start = random.randrange(len(content))
    end = start + random.choice((1, 4, 16, 256))
    return content[:start] + content[start:end] * random.choice((0, 2, 3)) + content[end:]


def number(content, random):
    """Puts an extreme number, or a slightly different one, where one may stand, most often in the first bytes."""
    size = random.choice((1, 2, 4, 4, 8))
    end = random.choice((64, 512, len(content)))
    start = random.randrange(max(1, min(end, len(content)) - size)) & -size
    old = int.from_bytes(content[start : start + size], "little")
    new = random.choice((*_EXTREMES, len(content), old + 1, old - 1, old * 2, old + 4)) % (1 << 8 * size)
    return content[:start] + new.to_bytes(size, random.choice(("little", "big"))) + content[start + size :]


_PLAIN = (flip, truncate, blank, splice, double, number, number)


def damage(name, content, random):
    """Returns `content` with one to three mutations; in most turns the first is one that knows the format of `name`."""
    count, knowing = random.choice((1, 1, 2, 3)), _BY_SUFFIX.get(name.rsplit(".", 1)[-1])
    if knowing and content and random.random() < 0.6:
        # An archive inside an archive, say, may be none.
        with contextlib.suppress(zipfile.BadZipFile):
            content, count = knowing(content, random), count - 1
    for _ in range(count):
        content = random.choice(_PLAIN)(content or b"x", random)
    return content[:_MOST]


def json_value(content, random):
    """Replaces, removes or renames a value of a JSON text."""
    root = [json.loads(content)]
    places = []

    def collect(parent, key):
        places.append((parent, key))
        value = parent[key]
        for inner in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
            collect(value, inner)

    collect(root, 0)
    parent, key = random.choice(places)
    deed = random.randrange(8)
    if deed == 0 and parent is not root:
        del parent[key]
    elif deed == 1 and isinstance(parent, dict):
        parent[random.choice(("x", key + "x", ""))] = parent.pop(key)
    elif deed == 2:
        other, name = random.choice(places)
        parent[key] = copy.deepcopy(other[name])
    elif deed == 3 and isinstance(parent[key], int | float):
        parent[key] += random.choice((-1, 1, 0.5, 1000))
    else:
        parent[key] = random.choice(_ODD_VALUES)
    text = "[" * 100_000 if random.random() < 0.01 else json.dumps(root[0])
    return text.encode("utf-8", "surrogatepass")


def word(content, random):
    """Replaces, removes or repeats a word of a text or of XML, or an element."""
    words = re.split(r"(\s+|<[^>]*>)", content.decode())
    place = random.choice([place for place, text in enumerate(words) if text.strip()] or [0])
    deed = random.randrange(8)
    if deed == 0:
        words[place] = ""
    elif deed == 1:
        words[place] *= 2
    elif deed == 2:
        words[place] = random.choice(words)
    else:
        words[place] = random.choice(_ODD_WORDS)
    return "".join(words).encode("utf-8", "surrogatepass")


def toml_value(content, random):
    """Replaces a value of a TOML text, or repeats or renames a line."""
    lines = content.decode().splitlines()
    row = random.randrange(len(lines))
    name, equals, value = lines[row].partition("=")
    deed = random.randrange(6)
    if deed == 0:
        lines.insert(row, lines[row])
    elif deed == 1:
        lines[row] = f"x{name}{equals}{value}"
    elif deed == 2:
        lines[row] = f"{name}= {random.choice(lines).partition('=')[2] or '{}'}"
    else:
        odd = (
            "inf",
            "-inf",
            "nan",
            "1e999",
            "{a = 1}",
            "1979-05-27",
            "07:32:00",
            "'''\n'''",
            "[" * 5000,
            "0x7f",
            '"\\ud800"',
        )
        value = random.choice((*odd, *(json.dumps(value) for value in _ODD_VALUES)))
        lines[row] = f"{name}= {value}"
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def zip_member(content, random):
    """Damages a member of an archive, its checksum made right again; or drops, repeats or renames one."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    row = random.randrange(len(members))
    info, data = members[row]
    deed = random.randrange(8)
    if deed == 0:
        del members[row]
    elif deed == 1:
        members.insert(row, (info, damage("", data, random)))
    elif deed == 2:
        info.filename = random.choice(("x", "../x", "/x", info.filename.upper(), random.choice(members)[0].filename))
    elif deed == 3:
        info.compress_type = random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2))
    else:
        members[row] = info, damage(info.filename, data, random)
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive, warnings.catch_warnings(action="ignore"):
        for info, data in members:
            archive.writestr(info, data)
    return written.getvalue()


def hdf5_item(content, random):
    """Changes an attribute, a dataset or a link of an HDF5 file."""
    buffer = io.BytesIO(content)
    with h5py.File(buffer, "r+") as file:
        paths = []
        file.visit(paths.append)
        path = random.choice(paths)
        item = file[random.choice((path, "/"))]
        deed = random.randrange(4)
        if deed == 0 and item.attrs:
            name = random.choice(sorted(item.attrs))
            item.attrs[name] = random.choice(
                ("", "x", b"\xff", 5, np.float32("nan"), [1, 2], ["a", "b"], np.bool_(True))
            )
        elif deed == 1 and item.attrs:
            del item.attrs[random.choice(sorted(item.attrs))]
        elif deed == 2 and isinstance(file[path], h5py.Dataset):
            _replace_dataset(file, path, random)
        else:
            _replace_link(file, path, random.choice(paths), random)
    return buffer.getvalue()


def _replace_dataset(file, path, random):
    old = np.asarray(file[path])
    del file[path]
    kind = random.choice(
        ("f2", "f4", "f8", "i4", "i8", "?", "c8", "S3", "nan", "inf", "shape", "giant", "outside", "text")
    )
    if kind == "giant":
        file.create_dataset(path, (2**30, 2**30), "f4", chunks=(1024, 1024))
    elif kind == "outside":
        file.create_dataset(path, (8,), "f4", external=[("/dev/zero", 0, h5py.h5f.UNLIMITED)])
    elif kind == "text":
        file[path] = "text"
    elif kind == "shape":
        file[path] = old.reshape(*random.choice(((-1,), (1, -1), (*old.shape, 1))))
    elif kind in ("nan", "inf"):
        file[path] = np.where(np.arange(old.size).reshape(old.shape) == 0, np.float32(kind), old)
    else:
        file[path] = old.astype(kind)


def _replace_link(file, path, other, random):
    if path not in file:
        return
    del file[path]
    links = (None, h5py.SoftLink(f"/{other}"), h5py.SoftLink("/nowhere"), h5py.ExternalLink("/etc/passwd", "/x"))
    link = random.choice(links)
    if link is None:
        file.create_group(path)
    else:
        file[path] = link


def safetensors_header(content, random):
    """Changes a value of the JSON header of a .safetensors file, its length made right again."""
    size = int.from_bytes(content[:8], "little")
    header = json_value(content[8 : 8 + size], random)
    return len(header).to_bytes(8, "little") + header + content[8 + size :]


def png_chunk(content, random):
    """Damages a chunk of a PNG file, its checksum made right again."""
    start = random.choice([found.start() for found in re.finditer(rb"IHDR|PLTE|tRNS|IDAT|eXIf", content)])
    size = int.from_bytes(content[start - 4 : start])
    body = damage("", content[start + 4 : start + 4 + size], random)
    kind = content[start : start + 4]
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return content[: start - 4] + chunk + content[start + 8 + size :]


_BY_SUFFIX = {
    "h5": hdf5_item,
    "json": json_value,
    "keras": zip_member,
    "npz": zip_member,
    "png": png_chunk,
    "pth": zip_member,
    "safetensors": safetensors_header,
    "toml": toml_value,
    "txt": word,
    "xml": word,
    "yaml": word,
}
