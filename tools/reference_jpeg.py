"""Small JPEGs and the pixels that OpenCV (libjpeg-turbo) makes of them:
fastai-runtime/tests/golden/jpeg.safetensors.

`NAME.jpg` holds a file's bytes, `NAME.rgb` its pixels [height, width, 3], and where both sides keep 8
pixels `NAME.rgb2`, `rgb4` and `rgb8` those at a half, a quarter and an eighth of its sides; PIL's draft
mode gives the same (checked here). The pictures are waves and
noise, saved by PIL: chroma in full (444), halved along rows (422), along columns (440), both ways (420), grey,
restart markers, odd sizes, qualities from 30 to 98, tables of their own (optimize).

How to run
    pip install numpy opencv-python-headless pillow safetensors
    python tools/reference_jpeg.py
"""

import io

import cv2
import numpy as np
from PIL import Image
from places import GOLDEN
from safetensors.numpy import save_file

REDUCED = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}


def picture(rng, height, width):
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    waves = [0.5 + 0.4 * np.sin(0.3 * x * (c + 1) + 0.2 * y) * np.cos(0.1 * y * (c + 1)) for c in range(3)]
    noisy = np.stack(waves, -1) + rng.normal(0, 0.15, (height, width, 3)) * (x > width / 2)[..., None]
    return Image.fromarray(np.round(noisy.clip(0, 1) * 255).astype(np.uint8))


def main():
    rng = np.random.default_rng(11)
    cases = {
        "444": ((33, 41), dict(quality=90, subsampling=0)),
        "422": ((40, 37), dict(quality=75, subsampling=1)),
        "420": ((51, 67), dict(quality=85, subsampling=2)),
        "420_even": ((48, 64), dict(quality=95, subsampling=2)),
        "420_coarse": ((31, 70), dict(quality=30, subsampling=2)),
        "420_fine": ((29, 35), dict(quality=98, subsampling=2, optimize=True)),
        "420_restarts": ((65, 50), dict(quality=80, subsampling=2, restart_marker_blocks=3)),
        "444_restarts": ((30, 30), dict(quality=80, subsampling=0, restart_marker_rows=1)),
        "narrow": ((40, 6), dict(quality=90, subsampling=2)),
        "few_rows": ((5, 40), dict(quality=90, subsampling=2)),
        "grey": ((27, 34), dict(quality=90)),
        "444_large": ((91, 86), dict(quality=85, subsampling=0)),
        "422_large": ((75, 101), dict(quality=60, subsampling=1)),
        "420_large": ((93, 133), dict(quality=85, subsampling=2)),
        "420_large_coarse": ((96, 77), dict(quality=15, subsampling=2)),
        "440_large": ((105, 83), [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440]),
        "grey_large": ((77, 90), dict(quality=90)),
    }
    out = {}
    for name, ((height, width), options) in cases.items():
        image = picture(rng, height, width)
        if name.startswith("grey"):
            image = image.convert("L")
        file = io.BytesIO()
        if isinstance(options, list):  # what PIL does not write
            file.write(cv2.imencode(".jpg", np.array(image), options)[1].tobytes())
        else:
            image.save(file, "JPEG", **options)
        data = np.frombuffer(file.getvalue(), np.uint8)
        out[f"{name}.jpg"] = data
        out[f"{name}.rgb"] = np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1])
        for reduction, flag in REDUCED.items():
            if min(height, width) < 8 * reduction:
                continue
            small = np.ascontiguousarray(cv2.imdecode(data, flag)[:, :, ::-1])
            draft = Image.open(io.BytesIO(file.getvalue()))
            draft.draft(None, (width // reduction, height // reduction))
            assert np.array_equal(np.array(draft.convert("RGB")), small), (name, reduction)
            out[f"{name}.rgb{reduction}"] = small
        print(name, len(data), out[f"{name}.rgb"].shape)
    save_file(out, GOLDEN / "jpeg.safetensors", metadata={"opencv": cv2.__version__})


if __name__ == "__main__":
    main()
