#!/usr/bin/env python3
"""Bytes of the floating-point tensors that PyTorch saves for one image's backward pass through the bodies of torchvision's
networks at 224 px, parameters and buffers not counted: the numbers in fastai-runtime/src/models/memory.rs.

    python3 tools/reference_activations.py

Needs torch and torchvision; random weights, no files. Networks with ReLU6 are left out: PyTorch saves its input, which the
engine's batch norm and clamp in one operation does not need.
"""

import torch
import torchvision

NAMES = "resnet18 resnet34 resnet50 resnext50_32x4d squeezenet1_1 vgg16_bn densenet121".split()
BATCH = 2


def body(network):
    """The network without pool and classifier, as a function."""
    if hasattr(network, "features"):
        return network.features
    stem = torch.nn.Sequential(network.conv1, network.bn1, network.relu, network.maxpool)
    return torch.nn.Sequential(stem, network.layer1, network.layer2, network.layer3, network.layer4)


def saved(name, size=224):
    network = getattr(torchvision.models, name)(weights=None).train()
    own = {p.data_ptr() for p in network.parameters()} | {b.data_ptr() for b in network.buffers()}
    storages = {}

    def pack(tensor):
        # The tensors are held, so that no address is used twice.
        if tensor.is_floating_point() and tensor.data_ptr() not in own:
            storage = tensor.untyped_storage()
            storages[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = body(network)(torch.zeros(BATCH, 3, size, size))
    assert output.requires_grad
    return sum(size for size, _ in storages.values()) // BATCH


torch.set_num_threads(1)
for name in NAMES:
    print(f'("{name}", {saved(name):_}),')
