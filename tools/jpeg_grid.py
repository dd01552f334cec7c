"""Compares this project's JPEG decoder with Pillow (libjpeg-turbo) over a grid of generated files:
sampling x scans x restarts x size x colour space x progressive, and files with unusual segments.

The files are written by the encoder below, because no library writes all of these layouts, and by Pillow
(progressive ones with successive approximation). Every file that differs, that one side refuses, or that has
no reference is listed; the exit code is 1 if any pixel differs, if the decoder takes a file that Pillow
refuses, or if it refuses a usual one that Pillow takes.

How to run
    pip install numpy pillow
    cargo build -p fastai-data --example decode_images
    python tools/jpeg_grid.py target/debug/examples/decode_images [FOLDER]
    python tools/jpeg_grid.py --golden       # a few files and Pillow's pixels: tests/golden/jpeg_scans.safetensors
"""

import io
import itertools
import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict

import numpy as np
from PIL import Image, ImageFile
from places import GOLDEN

ZIGZAG = np.array([
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
])
# Annex K: numbers of codes by length, and the symbols.
DC_BITS = [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0]
DC_SYMBOLS = list(range(12))
AC_BITS = [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7D]
AC_SYMBOLS = [
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71, 0x14,
    0x32, 0x81, 0x91, 0xA1, 0x08, 0x23, 0x42, 0xB1, 0xC1, 0x15, 0x52, 0xD1, 0xF0, 0x24, 0x33, 0x62, 0x72, 0x82, 0x09,
    0x0A, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3A,
    0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5A, 0x63, 0x64, 0x65,
    0x66, 0x67, 0x68, 0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88,
    0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9,
    0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA,
    0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA, 0xE1, 0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA,
    0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA,
]


def codes(bits, symbols):
    """The code and its length of each symbol."""
    table, code, at = {}, 0, 0
    for length, count in enumerate(bits, 1):
        for _ in range(count):
            table[symbols[at]] = (code, length)
            code, at = code + 1, at + 1
        code <<= 1
    return table


DC, AC = codes(DC_BITS, DC_SYMBOLS), codes(AC_BITS, AC_SYMBOLS)


class Bits:
    def __init__(self):
        self.value, self.count, self.out = 0, 0, bytearray()

    def put(self, value, count):
        self.value, self.count = self.value << count | value, self.count + count
        while self.count >= 8:
            byte = self.value >> (self.count - 8) & 255
            self.out.append(byte)
            if byte == 255:
                self.out.append(0)
            self.count -= 8
        self.value &= (1 << self.count) - 1

    def pad(self):
        if self.count:
            self.put((1 << (8 - self.count)) - 1, 8 - self.count)

    def number(self, value):
        size = abs(value).bit_length()
        if size:
            self.put(value if value > 0 else value + (1 << size) - 1, size)


def dct_matrix():
    k, n = np.mgrid[0:8, 0:8]
    matrix = np.cos((2 * n + 1) * k * np.pi / 16) / 2
    matrix[0] /= np.sqrt(2)
    return matrix


DCT = dct_matrix()


def segment(marker, body):
    return bytes([255, marker]) + (len(body) + 2).to_bytes(2, "big") + bytes(body)


class Picture:
    """Coefficients of a random picture: waves and noise."""

    def __init__(self, rng, width, height, factors, coarse=False):
        self.width, self.height, self.factors = width, height, factors
        self.h, self.v = max(h for h, _ in factors), max(v for _, v in factors)
        self.columns, self.rows = -(-width // (8 * self.h)), -(-height // (8 * self.v))
        self.steps = [rng.integers(2, 25, 64), rng.integers(2, 40, 64)]
        if coarse:
            # Steps that need 16 bits, where coefficients are small.
            for steps in self.steps:
                steps[10:] = rng.integers(256, 400, 54)
        self.blocks = []
        for number, (h, v) in enumerate(factors):
            y, x = np.mgrid[0:self.rows * v * 8, 0:self.columns * h * 8].astype(float)
            plane = 128 + 90 * np.sin(0.21 * x * (number + 1) / h + 0.1 * y / v) * np.cos(0.17 * y / v)
            plane = (plane + rng.normal(0, 25, plane.shape) * (x % 16 > 7)).clip(0, 255) - 128
            tiles = plane.reshape(self.rows * v, 8, self.columns * h, 8).swapaxes(1, 2)
            quantised = np.round(DCT @ tiles @ DCT.T).reshape(self.rows * v, self.columns * h, 64)
            steps = self.steps[min(number, 1)]
            self.blocks.append(np.round(quantised[..., ZIGZAG] / steps).astype(int).tolist())

    def mcus(self, scan):
        """The blocks of each MCU of a scan: component, row, column."""
        if len(scan) == 1:
            h, v = self.factors[scan[0]]
            columns = -(-(-(-self.width * h // self.h)) // 8)
            rows = -(-(-(-self.height * v // self.v)) // 8)
            if len(self.factors) == 1:
                columns, rows = -(-self.width // 8), -(-self.height // 8)
            return [[(scan[0], row, column)] for row in range(rows) for column in range(columns)]
        return [
            [(c, row * self.factors[c][1] + y, column * self.factors[c][0] + x)
             for c in scan for y in range(self.factors[c][1]) for x in range(self.factors[c][0])]
            for row in range(self.rows) for column in range(self.columns)
        ]

    def coded(self, scan, restart, first, last, low, high=None):
        """The coded data of a scan; `high` is not None for a refinement of the first coefficient."""
        bits, before = Bits(), Counter()
        marks = 0
        for number, mcu in enumerate(self.mcus(scan)):
            if restart and number and number % restart == 0:
                bits.pad()
                bits.out += bytes([255, 0xD0 + marks % 8])
                marks, before = marks + 1, Counter()
            for component, row, column in mcu:
                block = self.blocks[component][row][column]
                if high is not None:
                    bits.put(block[0] >> low & 1, 1)
                    continue
                k = first
                if first == 0:
                    value = block[0] >> low
                    difference = value - before[component]
                    before[component] = value
                    bits.put(*DC[abs(difference).bit_length()])
                    bits.number(difference)
                    k = 1
                run = 0
                while k <= last:
                    value = block[k]
                    if value == 0:
                        run += 1
                    else:
                        while run > 15:
                            bits.put(*AC[0xF0])
                            run -= 16
                        bits.put(*AC[run << 4 | abs(value).bit_length()])
                        bits.number(value)
                        run = 0
                    k += 1
                if run:
                    bits.put(*AC[0])
        bits.pad()
        return bytes(bits.out)

    def jpeg(self, color, scans, restart, progressive, ids=None, extra=b""):
        count = len(self.factors)
        ids = ids or list(range(1, count + 1))
        out = bytearray(b"\xff\xd8")
        if color in ("grey", "ycc"):
            out += segment(0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0")
        adobe = {"rgb": 0, "cmyk": 0, "ycck": 2, "adobe ycc": 1}.get(color)
        if adobe is not None:
            out += segment(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes([adobe]))
        for number, steps in enumerate(self.steps):
            wide = int(max(steps) > 255)
            out += segment(0xDB, bytes([wide << 4 | number]) + b"".join(int(step).to_bytes(1 + wide, "big") for step in steps))
        frame = bytearray([8]) + self.height.to_bytes(2, "big") + self.width.to_bytes(2, "big") + bytes([count])
        for number, (h, v) in enumerate(self.factors):
            frame += bytes([ids[number], h << 4 | v, min(number, 1)])
        out += segment(0xC2 if progressive else 0xC0, frame)
        out += segment(0xC4, bytes([0]) + bytes(DC_BITS) + bytes(DC_SYMBOLS))
        out += segment(0xC4, bytes([0x10]) + bytes(AC_BITS) + bytes(AC_SYMBOLS))
        if restart:
            out += segment(0xDD, restart.to_bytes(2, "big"))

        def scan(components, first, last, above, low, data):
            head = bytearray([len(components)])
            for component in components:
                head += bytes([ids[component], 0])
            return segment(0xDA, head + bytes([first, last, above << 4 | low])) + data

        if progressive:
            every = list(range(count))
            for group in scans:
                out += scan(group, 0, 0, 0, 1, self.coded(group, restart, 0, 0, 1))
            for component in every:
                for first, last in ((1, 5), (6, 63)):
                    data = self.coded([component], restart, first, last, 0)
                    out += scan([component], first, last, 0, 0, data)
            for group in scans:
                out += scan(group, 0, 0, 1, 0, self.coded(group, restart, 0, 0, 0, high=1))
        else:
            for group in scans:
                out += scan(group, 0, 63, 0, 0, self.coded(group, restart, 0, 63, 0))
        return bytes(out) + extra + b"\xff\xd9"


SAMPLINGS = {
    "444": [(1, 1)] * 3, "422": [(2, 1), (1, 1), (1, 1)], "440": [(1, 2), (1, 1), (1, 1)],
    "420": [(2, 2), (1, 1), (1, 1)], "411": [(4, 1), (1, 1), (1, 1)], "410": [(4, 2), (1, 1), (1, 1)],
    "441": [(1, 4), (1, 1), (1, 1)], "mixed": [(2, 2), (2, 1), (1, 2)], "chroma": [(1, 1), (2, 2), (2, 1)],
    "2x2 all": [(2, 2)] * 3,
}
SIZES = [(1, 1), (5, 3), (8, 8), (16, 9), (17, 33), (3, 40), (40, 3), (50, 37)]
ORDERS = {
    3: [[[0, 1, 2]], [[0], [1], [2]], [[0], [1, 2]], [[0, 1], [2]], [[2], [0], [1]], [[1, 2], [0]], [[0, 2], [1]]],
    4: [[[0, 1, 2, 3]], [[0], [1], [2], [3]], [[3], [0, 1, 2]], [[0, 3], [1, 2]]],
    1: [[[0]]],
}


def grid(rng):
    """Name, kind and bytes of each file."""
    layouts = [("ycc", name, factors) for name, factors in SAMPLINGS.items()]
    layouts += [(color, name, SAMPLINGS[name]) for color in ("rgb", "adobe ycc", "plain ids", "rgb ids")
                for name in ("444", "420", "411")]
    layouts += [("grey", name, factors) for name, factors in (("1x1", [(1, 1)]), ("2x2", [(2, 2)]), ("4x1", [(4, 1)]))]
    four = {"444": [(1, 1)] * 4, "420": [(2, 2), (1, 1), (1, 1), (2, 2)], "422": [(2, 1), (1, 1), (1, 1), (2, 1)]}
    layouts += [(color, name, factors) for color in ("cmyk", "ycck", "plain cmyk") for name, factors in four.items()]
    for color, name, factors in layouts:
        for width, height in SIZES:
            picture = Picture(rng, width, height, factors)
            for number, scans in enumerate(ORDERS[len(factors)]):
                # The standard allows ten blocks to an MCU.
                if any(len(group) > 1 and sum(factors[c][0] * factors[c][1] for c in group) > 10 for group in scans):
                    continue
                for restart in (0, 1, 3):
                    # Every third layout of a size is written progressively too.
                    for progressive in (False, True) if (number + restart) % 3 == 0 else (False,):
                        ids = [82, 71, 66] if color == "rgb ids" else None
                        data = picture.jpeg(color, scans, restart, progressive, ids)
                        text = "+".join("".join(map(str, group)) for group in scans)
                        kind = (color, name, "progressive" if progressive else "sequential")
                        yield f"{color}_{name}_{width}x{height}_{text}_r{restart}_{kind[2]}".replace(" ", "-"), kind, data
    # Progressive files with successive approximation, as libjpeg writes them.
    for mode in ("L", "RGB", "CMYK"):
        for width, height in SIZES:
            pixels = rng.integers(0, 256, (height // 4 + 1, width // 4 + 1, len(mode)), dtype=np.uint8)
            image = Image.fromarray(pixels[..., 0] if mode == "L" else pixels, mode)
            image = image.resize((width, height), Image.Resampling.BICUBIC)
            for subsampling in (0, 1, 2):
                for quality in (60, 92):
                    out = io.BytesIO()
                    image.save(out, "JPEG", quality=quality, subsampling=subsampling, progressive=True)
                    kind = (f"Pillow {mode}", ("444", "422", "420")[subsampling], "progressive")
                    name = f"pillow_{mode}_{width}x{height}_{kind[1]}_q{quality}_progressive"
                    yield name, kind, out.getvalue()


def oddities(rng):
    """Name, kind and bytes of files with unusual segments, each a change of a file of the grid."""
    def between(data, number, segments):
        """Puts segments before the scan of this number."""
        at = -1
        for _ in range(number + 1):
            at = data.index(b"\xff\xda", at + 1)
        return data[:at] + segments + data[at:]

    for name, factors in (("444", SAMPLINGS["444"]), ("420", SAMPLINGS["420"]), ("422", SAMPLINGS["422"])):
        picture = Picture(rng, 37, 29, factors)
        whole = picture.jpeg("ycc", [[0, 1, 2]], 0, False)
        apart = picture.jpeg("ycc", [[0], [1], [2]], 0, False)
        frame = whole.index(b"\xff\xc0")
        files = {
            "extended sequential (SOF1)": whole.replace(b"\xff\xc0", b"\xff\xc1", 1),
            "comment between scans": between(apart, 1, segment(0xFE, b"a comment \xff\xda")),
            "quantisation redefined between scans": between(apart, 1, segment(0xDB, bytes([0]) + bytes([7] * 64))),
            "quantisation of 16 bits": Picture(rng, 37, 29, factors, coarse=True).jpeg("ycc", [[0, 1, 2]], 0, False),
            "restart interval set between scans to none": between(apart, 1, segment(0xDD, b"\0\0")),
            "restart interval set between scans to 2": between(apart, 2, segment(0xDD, b"\0\2")),
            "fill bytes before markers": between(apart, 1, b"\xff\xff\xff"),
            "a component twice": picture.jpeg("ycc", [[0], [1], [2], [0]], 0, False),
            "a component without a scan": picture.jpeg("ycc", [[0], [1]], 0, False),
            "only luma has a scan": picture.jpeg("ycc", [[0]], 0, False),
            "bytes after the end": whole + b"rubbish" * 40,
            "a second image after the end": whole + whole,
            "no end marker": whole[:-2],
            "cut in the last scan": apart[:-200],
            "a hole of zeros": whole[:-400] + bytes(200) + whole[-200:],
            "a number of lines afterwards (DNL)": whole[:frame + 5] + b"\0\0" + whole[frame + 7:-2]
            + segment(0xDC, picture.height.to_bytes(2, "big")) + b"\xff\xd9",
            "arithmetic coding (SOF9)": whole.replace(b"\xff\xc0", b"\xff\xc9", 1),
            "lossless (SOF3)": whole.replace(b"\xff\xc0", b"\xff\xc3", 1),
            "12 bits": whole[:frame + 4] + b"\x0c" + whole[frame + 5:],
            "a thumbnail before the frame": whole[:2] + segment(0xE1, b"Exif\0\0" + whole[:300]) + whole[2:],
            "Adobe and JFIF": whole[:20] + segment(0xEE, b"Adobe\0\x64\0\0\0\0\0") + whole[20:],
        }
        for what, data in files.items():
            yield f"odd_{name}_{what}".replace(" ", "-"), (what, name, "unusual"), data
    for name, factors in (("3x1", [(3, 1), (1, 1), (1, 1)]), ("3x3", [(3, 3), (1, 1), (1, 1)]), ("1x3", [(1, 3), (1, 1), (1, 1)]),
                          ("3x2 and 2x1", [(3, 2), (2, 1), (1, 1)]), ("4x4", [(4, 4), (1, 1), (1, 1)]),
                          ("4x3", [(4, 3), (2, 1), (2, 3)])):
        picture = Picture(rng, 61, 47, factors)
        for scans in ([[0, 1, 2]], [[0], [1], [2]]):
            for restart in (0, 2):
                if len(scans) == 1 and sum(h * v for h, v in factors) > 10:
                    continue
                text = "+".join("".join(map(str, group)) for group in scans)
                yield f"odd_{name}_{text}_r{restart}".replace(" ", "-"), ("sampling", name, "unusual"), picture.jpeg(
                    "ycc", scans, restart, False)
    picture = Picture(rng, 33, 21, [(1, 1), (1, 1)])
    yield "odd_two-components", ("two components", "11", "unusual"), picture.jpeg("plain ids", [[0, 1]], 0, False)
    picture = Picture(rng, 33, 21, [(1, 1)])
    adobe = segment(0xEE, b"Adobe\0\x64\0\0\0\0\0")
    grey = picture.jpeg("grey", [[0]], 0, False)
    yield "odd_grey-with-Adobe", ("grey with an Adobe segment", "1x1", "unusual"), grey[:20] + adobe + grey[20:]


def reference(data):
    try:
        image = Image.open(io.BytesIO(data))
        return np.asarray(image.convert("RGB")), None
    except Exception as error:  # what Pillow says about a file is the result
        return None, f"{type(error).__name__}: {error}"


def golden():
    """Files of each layout of one size, for the tests."""
    from safetensors.numpy import save_file

    tensors = {}
    for name, kind, data in grid(np.random.default_rng(5)):
        pixels, _ = reference(data)
        restart = name.split("_")[4]
        if "_17x33_" in name and kind[2] == "progressive" and pixels is not None:
            if kind[0].startswith("Pillow") or kind[1] in ("420", "411", "chroma", "2x2") and restart in ("r0", "r1"):
                tensors[name + ".jpg"], tensors[name + ".rgb"] = np.frombuffer(data, np.uint8), pixels
        if "_17x33_" in name and kind[2] == "sequential" and restart in ("r0", "r3") and pixels is not None:
            if kind[1] in ("422", "420", "411", "mixed", "2x2") and (kind[0] != "ycc" or restart == "r3"):
                tensors[name + ".jpg"], tensors[name + ".rgb"] = np.frombuffer(data, np.uint8), pixels
    save_file(tensors, GOLDEN / "jpeg_scans.safetensors")
    print(len(tensors) // 2, "files")


def main():
    program = os.path.abspath(sys.argv[1])
    folder = sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp()
    os.makedirs(folder, exist_ok=True)
    files, kinds, wanted = [], {}, {}
    for name, kind, data in itertools.chain(grid(np.random.default_rng(5)), oddities(np.random.default_rng(6))):
        path = os.path.join(folder, name + ".jpg")
        with open(path, "wb") as out:
            out.write(data)
        files.append(path)
        kinds[path], wanted[path] = kind, reference(data)
    listing = os.path.join(folder, "files.txt")
    with open(listing, "w") as out:
        out.write("\n".join(files))
    done = subprocess.run([program, listing], capture_output=True, text=True, check=True)
    rows = defaultdict(lambda: {"files": 0, "equal": 0, "differ": 0, "refused": 0, "alone": 0, "both": 0})
    lines, failed = [], False
    answers = dict(line.split("\t", 1) for line in done.stdout.splitlines())
    for path in files:
        answer, (color, sampling, coding) = answers[path], kinds[path]
        row, name = rows[coding, color], os.path.basename(path)
        row["files"] += 1
        pixels, why = wanted[path]
        if answer != "ok" and pixels is None:
            row["both"] += 1
            lines.append(f"refused by both: {name}: {answer} / {why}")
        elif answer != "ok":
            row["refused"] += 1
            failed |= coding != "unusual"
            lines.append(f"refused here, read by Pillow: {name}: {answer}")
        elif pixels is None:
            row["alone"] += 1
            failed = True
            lines.append(f"read here, refused by Pillow: {name}: {why}")
        else:
            found = np.asarray(Image.open(path[:-4] + ".ppm"))
            equal = found.shape == pixels.shape and bool((found == pixels).all())
            row["equal" if equal else "differ"] += 1
            failed |= not equal
            if not equal:
                lines.append(f"differs: {name}")
    print("\n".join(lines))
    print(f"\n{len(files)} files in {folder}")
    print("| coding | colours or kind | files | equal to Pillow's | differ | refused here only | refused by Pillow only | by both |"
          "\n|---|---|---:|---:|---:|---:|---:|---:|")
    for (coding, color), row in sorted(rows.items()):
        print(f"| {coding} | {color} | " + " | ".join(str(number) for number in row.values()) + " |")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    golden() if sys.argv[1:] == ["--golden"] else main()
