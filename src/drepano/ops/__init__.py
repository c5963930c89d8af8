"""Deformable convolution: the operator and the layer made of it."""

from drepano.ops.layer import DeformableConv2d
from drepano.ops.reference import deform_conv2d

__all__ = ["DeformableConv2d", "deform_conv2d"]
