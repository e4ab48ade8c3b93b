"""Whether whole networks can be factored: ViT-B/16, ResNet-50 and VGG16, with random weights.

Run on one process: ``python benchmarks/lowrank/structures.py [--quick] [--json FILE]``. Every layer
with a weight is factored at its full rank, or kept for a reason that is told; the outputs must be
those of the dense network: differences are the largest ones, over the largest output. ``--quick``
divides all widths by 4. ``--timm`` takes the networks of that library, which must be installed.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from tasks.structures import STRUCTURES
from torch import nn

import lowrank
from lowrank.nn import Factored

TIMM = {"ViT-B/16": "vit_base_patch16_224", "ResNet-50": "resnet50", "VGG16": "vgg16_bn"}


def build(name: str, part: int, from_timm: bool) -> nn.Module:
    """A network with random weights."""
    torch.manual_seed(0)
    if not from_timm:
        return STRUCTURES[name](part).eval()
    import timm  # type: ignore[import-not-found]

    model: nn.Module = timm.create_model(TIMM[name], pretrained=False)
    return model.eval()


def measure(name: str, part: int, from_timm: bool) -> dict[str, Any]:
    """Factor one network, and compare."""
    model = build(name, part, from_timm)
    sample = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        expected = model(sample)
        weights = [p for p in model.parameters() if p.dim() > 1]
        begun = time.process_time()
        found = copy.deepcopy(model)
        kept = lowrank.select_layers(found, keep_last=False, sample=sample).kept
        lowrank.factorize(found, rank=0.99999, only_smaller=False, keep_last=False)
        seconds = time.process_time() - begun
        difference = float((found(sample) - expected).abs().max() / expected.abs().max())
        merged = lowrank.merge(found)(sample)
    return {
        "network": name,
        "weights": len(weights),
        "factored": sum(isinstance(m, Factored) for m in found.modules()),
        "kept": kept,
        "difference": difference,
        "merged": float((merged - expected).abs().max() / expected.abs().max()),
        "seconds": seconds,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--timm", action="store_true", help="the networks of timm, full size")
    parser.add_argument("--only", default="", help="networks whose name has this")
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = [name for name in STRUCTURES if options.only in name]
    results = [measure(name, 4 if options.quick else 1, options.timm) for name in names]
    for result in results:
        reasons = Counter(result["kept"].values())
        print(
            f"{result['network']:10} {result['weights']} weights, {result['factored']} factored, "
            f"kept: {dict(reasons)}; outputs differ by {result['difference']:.1e}, "
            f"merged {result['merged']:.1e}; {result['seconds']:.0f} CPU seconds"
        )
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
