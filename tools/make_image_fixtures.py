"""Small images of every kind that the decoder takes: fastai-runtime/tests/golden/images/*, with images.json.

A smooth 48 x 36 picture is written by Pillow and OpenCV as progressive, CMYK, 4:2:0, 4:4:4 and grey JPEG, PNG of 16 bits,
with a palette, with alpha, interlaced, of 1 bit, GIF (one of several frames), BMP, WebP (lossy, lossless, alpha) and TIFF
(plain, LZW, deflate, 16 bits, grey, tiled strips, with a palette); four kinds also turned by EXIF. images.json holds for each file its size and the colours at a few
places: of the file as Pillow reads it back, upright, alpha dropped, 16 bits cut to the upper 8.

    python tools/make_image_fixtures.py        needs pillow, opencv-python and numpy
"""

import json

import cv2
import numpy as np
from PIL import Image
from places import GOLDEN

OUT = GOLDEN / "images"
WIDTH, HEIGHT = 48, 36
PLACES = [(0, 0), (47, 0), (0, 35), (47, 35), (24, 18), (10, 30), (37, 7)]


def picture():
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    red = 128 + 100 * np.sin(x / 9.0)
    green = 128 + 100 * np.cos(y / 7.0)
    blue = 40 + 3.0 * x + 1.5 * y
    return np.clip(np.stack([red, green, blue], axis=-1), 0, 255).astype(np.uint8)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    rgb = picture()
    image = Image.fromarray(rgb)
    alpha = np.full((HEIGHT, WIDTH), 255, np.uint8)
    alpha[:, :24] = 60
    rgba = Image.fromarray(np.dstack([rgb, alpha]))
    grey = image.convert("L")
    deep = rgb.astype(np.uint16) * 257
    expected = {}

    def keep(name, reference, tolerance):
        reference = np.asarray(reference)
        expected[name] = {
            "size": [reference.shape[1], reference.shape[0]],
            "tolerance": tolerance,
            "pixels": [[x, y, [int(v) for v in reference[y, x]]] for x, y in PLACES if x < reference.shape[1] and y < reference.shape[0]],
        }

    def pillow(name, source, tolerance=0, **options):
        source.save(OUT / name, **options)
        with Image.open(OUT / name) as read:
            if read.mode in ("RGBA", "LA"):
                reference = np.asarray(read.convert("RGBA"))[..., :3]
            else:
                reference = np.asarray(read.convert("RGB"))
        keep(name, reference, tolerance)

    # Decoders of JPEG differ by a level or two, more where chroma is enlarged.
    pillow("s444.jpg", image, 2, quality=90, subsampling=0)
    pillow("s422.jpg", image, 3, quality=90, subsampling=1)
    pillow("s420.jpg", image, 3, quality=90, subsampling=2)
    pillow("progressive.jpg", image, 4, quality=90, progressive=True)
    pillow("progressive444.jpg", image, 2, quality=90, progressive=True, subsampling=0)
    pillow("grey.jpg", grey, 2, quality=90)
    pillow("cmyk.jpg", image.convert("CMYK"), 3, quality=95)
    pillow("cmyk_progressive.jpg", image.convert("CMYK"), 3, quality=95, progressive=True)
    pillow("restart.jpg", image, 3, quality=90, restart_marker_blocks=2)
    turned = Image.Exif()
    turned[0x0112] = 8
    image.save(OUT / "exif8.jpg", quality=95, subsampling=0, exif=turned)
    with Image.open(OUT / "exif8.jpg") as read:
        keep("exif8.jpg", np.rot90(np.asarray(read.convert("RGB"))), 2)
    pillow("rgb.png", image)
    pillow("alpha.png", rgba)
    pillow("grey.png", grey)
    pillow("grey_alpha.png", rgba.convert("LA"))
    pillow("palette.png", image.quantize(64))
    pillow("palette16.png", image.quantize(16), bits=4)
    pillow("one_bit.png", image.convert("1"))
    cv2.imwrite(str(OUT / "deep.png"), deep[..., ::-1])
    keep("deep.png", rgb, 0)
    cv2.imwrite(str(OUT / "deep_grey.png"), np.asarray(grey).astype(np.uint16) * 257)
    keep("deep_grey.png", np.repeat(np.asarray(grey)[..., None], 3, axis=-1), 0)
    exif = Image.Exif()
    exif[0x0112] = 3
    image.save(OUT / "exif3.png", exif=exif)
    keep("exif3.png", rgb[::-1, ::-1], 0)
    pillow("plain.gif", image.quantize(64))
    frames = [image.quantize(64), Image.fromarray(255 - rgb).quantize(64)]
    frames[0].save(OUT / "animated.gif", save_all=True, append_images=frames[1:], duration=50)
    with Image.open(OUT / "animated.gif") as read:
        keep("animated.gif", np.asarray(read.convert("RGB")), 0)
    pillow("plain.bmp", image)
    pillow("palette.bmp", image.quantize(64))
    pillow("alpha.bmp", rgba)
    # The lossy decoders differ in how they enlarge chroma.
    pillow("lossy.webp", image, 12, quality=90)
    pillow("lossless.webp", image, 0, lossless=True)
    pillow("alpha.webp", rgba, 0, lossless=True, exact=True)
    pillow("plain.tif", image)
    pillow("lzw.tif", image, compression="tiff_lzw")
    pillow("deflate.tif", image, compression="tiff_adobe_deflate")
    pillow("grey.tif", grey)
    pillow("jpeg.tif", image, 4, compression="jpeg")
    pillow("palette.tif", image.quantize(64))
    pillow("palette_lzw.tif", image.quantize(200), compression="tiff_lzw")
    turned = Image.Exif()
    turned[0x0112] = 6
    image.save(OUT / "exif6.webp", lossless=True, exif=turned)
    keep("exif6.webp", np.rot90(rgb, -1), 0)
    image.save(OUT / "turned6.tif", tiffinfo={0x0112: 6})
    keep("turned6.tif", np.rot90(rgb, -1), 0)
    cv2.imwrite(str(OUT / "deep.tif"), deep[..., ::-1])
    keep("deep.tif", rgb, 0)

    (OUT / "images.json").write_text(json.dumps(expected, indent=1) + "\n")
    print(f"{len(expected)} files, {sum(f.stat().st_size for f in OUT.iterdir())} bytes")


main()
