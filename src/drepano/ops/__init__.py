"""Deformable convolution: the operator, the whole layer as one function, and the layer made of it."""

from drepano.ops.choice import KERNELS, deformable_conv2d
from drepano.ops.layer import SATURATED, DeformableConv2d
from drepano.ops.reference import deform_conv2d

__all__ = ["KERNELS", "SATURATED", "DeformableConv2d", "deform_conv2d", "deformable_conv2d"]
