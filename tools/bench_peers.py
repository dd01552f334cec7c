"""One contender of `bench_networks.py`: PyTorch (`eager`, `channels_last`, `compile`) or `onnxruntime`.

It does the work of `fastai bench` with the same head (concat pool, batch norm, dropout, 512, ReLU, batch norm, dropout, 10
classes) and follows the protocol of `fastai bench --paced`: it prints `ready` after doing the work once, answers each line of
standard input (a number of runs) with a line of seconds, and prints a line of JSON when the input ends. Weights are random. The
networks are torchvision's, and timm's EfficientNet-lite0, which pads symmetrically and needs no separate padding operation.

How to run (`bench_networks.py` calls this)
    pip install torch torchvision timm onnx onnxruntime
    python tools/bench_peers.py CONTENDER ARCH forward|train BATCH SIZE THREADS [ONNX_FILE]
    python tools/bench_peers.py export ARCH forward BATCH SIZE THREADS ONNX_FILE
    python tools/bench_peers.py sgemm THREADS
"""

import json
import sys
import time
import warnings

CLASSES = 10


def say(line):
    print(line, flush=True)


def resident_kb(key):
    """Returns the current (VmRSS) or peak (VmHWM) resident memory of this process in kB of 1024 bytes."""
    lines = (line.split() for line in open("/proc/self/status"))
    return next(int(words[1]) for words in lines if words[0] == f"{key}:")


def imported(contender):
    """Loads the libraries; returns the resident memory afterwards in kB."""
    if contender == "onnxruntime":
        import onnxruntime  # noqa: F401
    else:
        import timm  # noqa: F401
        import torchvision  # noqa: F401
    return resident_kb("VmRSS")


def network(arch):
    """Returns a body with this library's head."""
    import torchvision.models as tv
    from torch import nn
    from torch_side import WithHead

    if arch == "efficientnet_lite0":
        import timm

        net = timm.create_model("efficientnet_lite0", pretrained=False)
        body, width = nn.Sequential(net.conv_stem, net.bn1, net.blocks, net.conv_head, net.bn2), 1280
    else:
        net = getattr(tv, arch)(weights=None)
        if hasattr(net, "layer4"):
            body, width = nn.Sequential(*list(net.children())[:-2]), net.fc.in_features
        elif arch.startswith("densenet"):
            body, width = nn.Sequential(net.features, nn.ReLU(inplace=True)), net.classifier.in_features
        else:
            widths = {"squeezenet1_1": 512, "vgg16_bn": 512, "mobilenet_v2": 1280, "convnext_tiny": 768}
            body, width = net.features, widths[arch]
    return WithHead(body, width, CLASSES)


def torch_work(contender, arch, mode, batch, size, threads):
    import torch
    from torch import nn

    torch.manual_seed(0)
    torch.set_num_threads(threads)
    layout = torch.channels_last if contender == "channels_last" else torch.contiguous_format
    net = network(arch).to(memory_format=layout)
    x = torch.randn(batch, 3, size, size).contiguous(memory_format=layout)
    if mode == "forward":
        net.eval().requires_grad_(False)
        if contender == "compile":
            # Makes the weights constants, which folds the batch norms.
            torch._inductor.config.freezing = True
            net = torch.compile(net)

        def forward():
            with torch.inference_mode() if contender != "compile" else torch.no_grad():
                net(x)

        return forward
    net.train()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-6, momentum=0.9)
    y, loss_of = torch.arange(batch) % CLASSES, nn.CrossEntropyLoss()
    run = torch.compile(net) if contender == "compile" else net

    def step():
        optimizer.zero_grad()
        loss_of(run(x), y).backward()
        optimizer.step()

    return step


def export(arch, batch, size, file):
    import torch

    net = network(arch).eval().requires_grad_(False)
    torch.onnx.export(net, torch.randn(batch, 3, size, size), file, dynamo=False, opset_version=17)


def onnx_work(batch, size, threads, file):
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    x = np.random.default_rng(0).standard_normal((batch, 3, size, size), dtype=np.float32)
    feed = {session.get_inputs()[0].name: x}
    return lambda: session.run(None, feed)


def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def sgemm(threads, side=2048):
    import torch

    torch.set_num_threads(threads)
    a, b = torch.rand(side, side), torch.rand(side, side)
    best = min(timed(lambda: a @ b) for _ in range(6))
    versions = {"torch": torch.__version__}
    for module in ("torchvision", "timm", "onnxruntime"):
        try:
            versions[module] = __import__(module).__version__
        except ImportError:
            versions[module] = None
    say(json.dumps({"gflops": 2e-9 * side**3 / best, "by": f"{side} x {side} x {side} by PyTorch, best of 6", "versions": versions}))


def main():
    warnings.filterwarnings("ignore")
    contender = sys.argv[1]
    if contender == "sgemm":
        return sgemm(int(sys.argv[2]))
    arch, mode = sys.argv[2:4]
    batch, size, threads = map(int, sys.argv[4:7])
    if contender == "export":
        return export(arch, batch, size, sys.argv[7])
    libraries = imported(contender)
    if contender == "onnxruntime":
        work = onnx_work(batch, size, threads, sys.argv[7])
    else:
        work = torch_work(contender, arch, mode, batch, size, threads)
    work()
    say("ready")
    for line in sys.stdin:
        say(" ".join(repr(timed(work)) for _ in range(int(line))))
    say(json.dumps({"peak_kb": resident_kb("VmHWM"), "libraries_kb": libraries}))


if __name__ == "__main__":
    main()
