"""A reference of the original FCOS (https://arxiv.org/abs/1904.01355) for the parity suite.

The authors' program does not install beside a present-day torch, so this is a program of our own, written from the paper and from
what its configurations say, on torch's and torchvision's operators. Modules are named as torchdet names them. Where
torchdet follows torchvision on purpose, so does this: the resize, the clip to the image's edge, NMS without the +1.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn
from torchvision import ops
from torchvision.ops import sigmoid_focal_loss
from torchvision.models.detection.transform import GeneralizedRCNNTransform

BLOCKS = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}
PIXEL_MEAN = (102.9801, 115.9465, 122.7717)


class Transform(GeneralizedRCNNTransform):
    """Blue, green and red from 0 to 255 less their means; the rest is torchvision's."""

    def __init__(self, min_size, max_size, mean, std, size_divisible):
        super().__init__(min_size, max_size, [0.0] * 3, [1.0] * 3, size_divisible=size_divisible)
        self.mean, self.std = mean, std

    def normalize(self, image):
        mean, std = (torch.tensor(v, dtype=image.dtype).view(3, 1, 1) for v in (self.mean, self.std))
        return (image.flip(0) * 255 - mean) / std


class Deformable(nn.Module):
    """A 3x3 convolution that moves its samples, and weighs them where it is modulated."""

    def __init__(self, c_in, c_out, stride=1, groups=1, modulated=True, deformable_groups=1, bias=False):
        super().__init__()
        self.split, self.modulated = 18 * deformable_groups, modulated
        self.offset = nn.Conv2d(c_in, (27 if modulated else 18) * deformable_groups, 3, stride, 1)
        self.conv = ops.DeformConv2d(c_in, c_out, 3, stride, 1, groups=groups, bias=bias)

    def forward(self, x):
        out = self.offset(x)
        mask = out[:, self.split :].sigmoid() if self.modulated else None
        return self.conv(x, out[:, : self.split], mask)


class Bottleneck(nn.Module):
    def __init__(self, c_in, width, c_out, stride, norm, stride_in_1x1, dcn):
        super().__init__()
        first, second = (stride, 1) if stride_in_1x1 else (1, stride)
        self.conv1, self.bn1 = nn.Conv2d(c_in, width, 1, first, bias=False), norm(width)
        self.conv2 = Deformable(width, width, second, **dcn) if dcn else nn.Conv2d(width, width, 3, second, 1, bias=False)
        self.bn2 = norm(width)
        self.conv3, self.bn3 = nn.Conv2d(width, c_out, 1, bias=False), norm(c_out)
        if c_in != c_out:
            self.downsample = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), norm(c_out))

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return F.relu(out + (self.downsample(x) if hasattr(self, "downsample") else x))


class Body(nn.Module):
    def __init__(self, blocks, norm, stride_in_1x1, dcn_layers, dcn, returned):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), norm(64)
        self.returned, c_in = returned, 64
        for i, count in enumerate(blocks, 1):
            width, layer = 32 << i, []
            for k in range(count):
                stride = 2 if i > 1 and k == 0 else 1
                layer.append(Bottleneck(c_in, width, 4 * width, stride, norm, stride_in_1x1, dcn if i in dcn_layers else None))
                c_in = 4 * width
            self.add_module(f"layer{i}", nn.Sequential(*layer))

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        maps = []
        for i in range(1, 5):
            x = getattr(self, f"layer{i}")(x)
            if i in self.returned:
                maps.append(x)
        return maps


class Pyramid(nn.Module):
    def __init__(self, channels, out, group_norm, relu, from_c5):
        super().__init__()

        def conv(c_in, k):
            layers = [nn.Conv2d(c_in, out, k, padding=k // 2, bias=not group_norm)]
            layers += [nn.GroupNorm(32, out)] if group_norm else []
            return nn.Sequential(*layers, *([nn.ReLU()] if relu else []))

        self.inner_blocks = nn.ModuleList(conv(c, 1) for c in channels)
        self.layer_blocks = nn.ModuleList(conv(out, 3) for _ in channels)
        self.extra_blocks = nn.ModuleDict(
            {"p6": nn.Conv2d(channels[-1] if from_c5 else out, out, 3, 2, 1), "p7": nn.Conv2d(out, out, 3, 2, 1)}
        )
        self.from_c5 = from_c5

    def forward(self, maps):
        inner, out = None, []
        for x, lateral, smooth in reversed(list(zip(maps, self.inner_blocks, self.layer_blocks))):
            side = lateral(x)
            inner = side if inner is None else side + F.interpolate(inner, size=side.shape[-2:], mode="nearest")
            out.insert(0, smooth(inner))
        p6 = self.extra_blocks["p6"](maps[-1] if self.from_c5 else out[-1])
        return out + [p6, self.extra_blocks["p7"](F.relu(p6))]


class Backbone(nn.Module):
    def __init__(
        self, name="resnet50", returned=(2, 3, 4), out=256, norm="frozen", stride_in_1x1=True, dcn_layers=(), dcn=None,
        fpn_group_norm=False, fpn_relu=False, from_c5=False,
    ):  # fmt: skip
        super().__init__()
        norms = {"frozen": lambda c: ops.FrozenBatchNorm2d(c, eps=0.0), "group": lambda c: nn.GroupNorm(32, c)}
        self.body = Body(BLOCKS[name], norms[norm], stride_in_1x1, dcn_layers, dcn, returned)
        self.fpn = Pyramid([128 << i for i in returned], out, fpn_group_norm, fpn_relu, from_c5)
        self.strides = [2 << i for i in returned]
        self.strides += [2 * self.strides[-1], 4 * self.strides[-1]]

    def forward(self, x):
        names = [str(i) for i in range(len(self.strides) - 2)] + ["p6", "p7"]
        return dict(zip(names, self.fpn(self.body(x))))


class Scale(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))


class Branch(nn.Module):
    def __init__(self, channels, outputs, convs, dcn):
        super().__init__()
        layers = []
        for i in range(convs):
            last = dcn and i == convs - 1
            layers.append(Deformable(channels, channels, bias=True) if last else nn.Conv2d(channels, channels, 3, padding=1))
            layers += [nn.GroupNorm(32, channels), nn.ReLU()]
        self.conv = nn.Sequential(*layers)
        for name, size in outputs.items():
            self.add_module(name, nn.Conv2d(channels, size, 3, padding=1))


class Head(nn.Module):
    def __init__(self, channels, logits, strides, convs, normalised, centerness_on_reg, dcn):
        super().__init__()
        ctrness = {"bbox_ctrness": 1}
        self.classification_head = Branch(
            channels, {"cls_logits": logits, **({} if centerness_on_reg else ctrness)}, convs, dcn
        )
        self.regression_head = Branch(channels, {"bbox_reg": 4, **(ctrness if centerness_on_reg else {})}, convs, dcn)
        self.regression_head.scales = nn.ModuleList(Scale() for _ in strides)
        self.strides, self.normalised = strides, normalised

    def forward(self, features):
        outputs = {"cls_logits": [], "bbox_regression": [], "bbox_ctrness": []}
        regression = self.regression_head
        for feature, stride, factor in zip(features, self.strides, regression.scales):
            c, r = self.classification_head.conv(feature), regression.conv(feature)
            distances = regression.bbox_reg(r) * factor.scale
            # In units of the stride in both forms, so that the outputs of both mean the same.
            distances = distances.relu() if self.normalised else distances.exp() / stride
            on_reg = hasattr(regression, "bbox_ctrness")
            ctrness = regression.bbox_ctrness(r) if on_reg else self.classification_head.bbox_ctrness(c)
            for name, value in (
                ("cls_logits", self.classification_head.cls_logits(c)),
                ("bbox_regression", distances),
                ("bbox_ctrness", ctrness),
            ):
                outputs[name].append(value.flatten(2).transpose(1, 2))
        return {name: torch.cat(values, 1) for name, values in outputs.items()}


class Points(nn.Module):
    """x and y of the point of every cell, level by level, row by row; for each image, as torchvision's generators do."""

    def __init__(self, strides):
        super().__init__()
        self.strides = strides

    def levels(self, features):
        levels = []
        for feature, stride in zip(features, self.strides):
            h, w = feature.shape[-2:]
            y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
            levels.append((torch.stack([x, y], -1).reshape(-1, 2) * stride + stride // 2).to(feature))
        return levels

    def forward(self, batch, features):
        return [torch.cat(self.levels(features))] * len(batch.image_sizes)


def assign(target, levels, strides, radius):
    """Label (0: background) and distances in strides of every point of one image."""
    boxes, labels = target["boxes"], target["labels"]
    points = torch.cat(levels)
    per_point = lambda values: torch.cat([points.new_full((len(p),), float(v)) for p, v in zip(levels, values)])
    stride = per_point(strides)
    if len(boxes) == 0:
        return labels.new_zeros(len(points)), points.new_ones(len(points), 4)
    # Sizes of interest: up to 8 strides, from where the level before ends; open at both ends.
    upper = [8 * s for s in strides]
    low, high = per_point([-1, *upper[:-1]])[:, None], per_point([*upper[:-1], math.inf])[:, None]
    x, y = points[:, :1], points[:, 1:]
    x1, y1, x2, y2 = boxes.unbind(1)
    sides = torch.stack([x - x1, y - y1, x2 - x, y2 - y], 2)
    region = sides
    if radius > 0:
        cx, cy, reach = (x1 + x2) / 2, (y1 + y2) / 2, radius * stride[:, None]
        region = torch.stack(
            [
                x - torch.maximum(cx - reach, x1),
                y - torch.maximum(cy - reach, y1),
                torch.minimum(cx + reach, x2) - x,
                torch.minimum(cy + reach, y2) - y,
            ],
            2,
        )
    farthest = sides.max(2).values
    fits = (region.min(2).values > 0) & (farthest >= low) & (farthest <= high)
    areas = ((x2 - x1) * (y2 - y1)).expand(len(points), -1).masked_fill(~fits, math.inf)
    smallest, which = areas.min(1)
    chosen = labels[which].masked_fill(smallest == math.inf, 0)
    return chosen, sides[torch.arange(len(points)), which] / stride[:, None]


def compute_losses(targets, outputs, levels, strides, radius):
    """Those of the paper's later version: centerness weighs the GIoU loss of the distances."""
    assigned = [assign(t, levels, strides, radius) for t in targets]
    labels, wanted = torch.cat([a[0] for a in assigned]), torch.cat([a[1] for a in assigned])
    logits = outputs["cls_logits"].flatten(0, 1)
    positive = labels.nonzero().squeeze(1)
    count = max(1, len(positive))
    one_hot = F.one_hot(labels, logits.shape[1] + 1)[:, 1:].to(logits)
    wanted, found = wanted[positive], outputs["bbox_regression"].flatten(0, 1)[positive]
    ctrness = outputs["bbox_ctrness"].flatten()[positive]
    left_right, top_bottom = wanted[:, [0, 2]], wanted[:, [1, 3]]
    centerness = (
        (left_right.min(1).values / left_right.max(1).values) * (top_bottom.min(1).values / top_bottom.max(1).values)
    ).sqrt()
    area = lambda s: (s[:, 0] + s[:, 2]) * (s[:, 1] + s[:, 3])
    shared, enclosing = area(torch.min(found, wanted)), area(torch.max(found, wanted)) + 1e-7
    union = area(found) + area(wanted) - shared
    giou = (shared + 1) / (union + 1) - (enclosing - union) / enclosing
    return {
        "classification": sigmoid_focal_loss(logits, one_hot, reduction="sum") / count,
        "bbox_regression": ((1 - giou) * centerness).sum() / (centerness.sum() if len(positive) else 1),
        "bbox_ctrness": F.binary_cross_entropy_with_logits(ctrness, centerness, reduction="sum") / count,
    }


class FCOSOriginal(nn.Module):
    def __init__(
        self, backbone, num_classes, *, convs=4, normalised=True, centerness_on_reg=True, dcn_in_tower=False, score_thresh=0.05,
        topk=1000, nms_thresh=0.6, detections=100, min_size=800, max_size=1333, mean=PIXEL_MEAN, std=(1.0, 1.0, 1.0), size_divisible=32,
        center_sampling_radius=1.5,
    ):  # fmt: skip
        super().__init__()
        self.transform = Transform(min_size, max_size, mean, std, size_divisible)
        self.backbone, self.anchor_generator = backbone, Points(backbone.strides)
        channels = backbone.fpn.layer_blocks[0][0].out_channels
        self.head = Head(channels, num_classes - 1, backbone.strides, convs, normalised, centerness_on_reg, dcn_in_tower)
        self.score_thresh, self.topk, self.nms_thresh, self.detections = score_thresh, topk, nms_thresh, detections
        self.center_sampling_radius = center_sampling_radius

    def postprocess(self, outputs, points, counts, image_sizes):
        levels, strides = points.split(counts), self.anchor_generator.strides
        results = []
        for i, (height, width) in enumerate(image_sizes):
            boxes, scores, labels = [], [], []
            per_level = zip(levels, strides, *(outputs[k][i].split(counts) for k in ("cls_logits", "bbox_regression", "bbox_ctrness")))
            for centres, stride, logits, distances, ctrness in per_level:
                probability = logits.sigmoid()
                place, label = (probability > self.score_thresh).nonzero(as_tuple=True)
                ranking = probability[place, label] * ctrness[place, 0].sigmoid()
                best, chosen = ranking.topk(min(self.topk, len(ranking)))
                place, label = place[chosen], label[chosen]
                centre, sides = centres[place], distances[place] * stride
                boxes.append(torch.cat([centre - sides[:, :2], centre + sides[:, 2:]], 1))
                scores.append(best.sqrt())
                labels.append(label + 1)
            boxes, scores, labels = torch.cat(boxes), torch.cat(scores), torch.cat(labels)
            boxes = ops.clip_boxes_to_image(boxes, (height, width))
            keep = ops.batched_nms(boxes, scores, labels, self.nms_thresh)[: self.detections]
            results.append({"boxes": boxes[keep], "scores": scores[keep], "labels": labels[keep]})
        return results

    def forward(self, images, targets=None):
        sizes = [tuple(image.shape[-2:]) for image in images]
        batch, targets = self.transform(images, targets)
        features = list(self.backbone(batch.tensors).values())
        if self.training:
            levels = self.anchor_generator.levels(features)
            return compute_losses(targets, self.head(features), levels, self.anchor_generator.strides, self.center_sampling_radius)
        counts = [f.shape[-2] * f.shape[-1] for f in features]
        points = self.anchor_generator(batch, features)[0]
        detections = self.postprocess(self.head(features), points, counts, batch.image_sizes)
        return self.transform.postprocess(detections, batch.image_sizes, sizes)


def fcos_imprv_r50_fpn_1x(num_classes=81, **options):
    model = FCOSOriginal(Backbone(), num_classes, **options)
    nn.init.constant_(model.head.classification_head.cls_logits.bias, -math.log(99))
    return model
