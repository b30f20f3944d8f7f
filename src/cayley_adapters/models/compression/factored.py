"""A linear map of low rank, stored in as few numbers as a matrix of that rank has."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from cayley_adapters.core.errors import CayleyError

__all__ = ["CompressedLinear", "FactoredLinear", "factored_parameters", "factored_rank"]


class _Permute(torch.autograd.Function):
    """Reorder the last axis; a permutation's gradient is a gather as well, far faster than torch's own scatter."""

    @staticmethod
    def forward(context: Any, y: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
        context.save_for_backward(order)
        return _reordered(y, order)

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        (order,) = context.saved_tensors
        return _reordered(gradient, torch.argsort(order)), None


def _reordered(y: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    """Gather along the last axis, as rows of a matrix: for more axes torch takes 15 times as long."""
    return y.flatten(0, -2).index_select(-1, order).view(y.shape)


class _Product(torch.Tensor):
    """A matrix that is stored nowhere: changing it in place raises instead of being lost."""

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(function, "__name__", "")
        in_place = name.endswith("_") and not name.endswith("__") and name != "requires_grad_"
        set_data = torch.Tensor.data.__set__  # type: ignore[attr-defined]  # a descriptor, whatever its annotation
        written = args[:1] if in_place or name in _WRITES or function == set_data else ()
        if any(isinstance(item, cls) for item in (*written, kwargs.get("out"))):
            raise CayleyError(
                "a compressed projection stores no matrix that an adapter could be merged into; keep the adapter"
            )
        with torch._C.DisableTorchFunctionSubclass():  # as the guide to extending PyTorch has it
            result = function(*args, **kwargs)
            return _guarded(result, {item.untyped_storage().data_ptr() for item in args if isinstance(item, cls)}, cls)


_WRITES = {
    "__setitem__",
    *(
        f"__i{name}__"
        for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor")
    ),
}


def _guarded(result: Any, storages: set[int], cls: type[torch.Tensor]) -> Any:
    """Views of the matrix are guarded as it is; what is computed from it is a tensor like any other."""
    if isinstance(result, (tuple, list)):
        return type(result)([_guarded(item, storages, cls) for item in result])
    if isinstance(result, torch.Tensor) and result.untyped_storage().data_ptr() in storages:
        return result.as_subclass(cls)
    return result


class CompressedLinear(nn.Linear):
    """A linear map that stores something smaller than its matrix.

    It is a :class:`torch.nn.Linear` to whoever asks (PEFT's methods take no other kind), but its ``weight`` is a
    product made on demand and cannot be written to.

    Args:
        in_features, out_features: as of :class:`torch.nn.Linear`.
        bias: whether there is one.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = False) -> None:
        nn.Module.__init__(self)  # not nn.Linear's own, which would store the matrix
        self.in_features, self.out_features = in_features, out_features
        self.register_parameter("bias", nn.Parameter(torch.zeros(out_features)) if bias else None)

    def product(self) -> torch.Tensor:
        """The dense ``(out, in)`` matrix."""
        raise NotImplementedError

    @property
    def weight(self) -> torch.Tensor:  # type: ignore[override]  # where nn.Linear stores a parameter
        """The dense ``(out, in)`` matrix, read-only."""
        return self.product().detach().as_subclass(_Product)


class FactoredLinear(CompressedLinear):
    """A linear map of rank r whose first outputs, up to their order, are the inner values themselves.

    Any W of rank r is P [1; A] D with D ``(r, in)``, A ``(out − r, r)`` and a permutation P of the outputs: r outputs
    are chosen as a basis and the others are combinations of them (interpolative decomposition; Cheng, Gimbutas,
    Martinsson and Rokhlin, SIAM J. Sci. Comput. 26, 1389 (2005)). These r(in + out − r) numbers are fewer than the r(in
    + out) of two plain factors, so the same share of parameters leaves a higher rank, and at full rank none are wasted.

    Args:
        in_features, out_features: as of :class:`torch.nn.Linear`.
        rank: r.
        bias: whether there is one.
    """

    order: torch.Tensor

    def __init__(self, in_features: int, out_features: int, rank: int, bias: bool = False) -> None:
        super().__init__(in_features, out_features, bias)
        self.rank = rank
        self.down = nn.Linear(in_features, rank, bias=False)
        self.rest = nn.Parameter(torch.empty(out_features - rank, rank))
        self.register_buffer("order", torch.arange(out_features, dtype=torch.int32))

    @classmethod
    def from_factors(cls, up: torch.Tensor, down: torch.Tensor, bias: torch.Tensor | None = None) -> FactoredLinear:
        """Store W = up · down.

        The basis outputs are the pivots of LU with partial pivoting on ``up``, which keeps A small.

        Args:
            up: ``(out, r)``, of full column rank, float64.
            down: ``(r, in)``, float64.
            bias: ``(out)`` or None.
        """
        out, rank = up.shape
        permutation, lower, upper = torch.linalg.lu(up)  # up = P L U, L unit lower trapezoidal
        chosen = permutation.argmax(dim=0)  # row i of P^T up is row chosen[i] of up
        top = lower[:rank]
        layer = cls(down.shape[1], out, rank, bias is not None)
        layer.down.weight.data = (top @ (upper @ down)).float()
        # A top = the lower rows of L.
        layer.rest.data = torch.linalg.solve_triangular(
            top, lower[rank:], upper=False, left=False, unitriangular=True
        ).float()
        layer.order = torch.argsort(chosen).int()
        if bias is not None:
            layer.bias.data = bias.detach().clone()
        return layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        basis = self.down(x)
        inner = torch.cat([basis, nn.functional.linear(basis, self.rest)], dim=-1)
        y: torch.Tensor = _Permute.apply(inner, self.order)  # type: ignore[no-untyped-call]  # of torch
        return y if self.bias is None else y + self.bias

    def product(self) -> torch.Tensor:
        """The dense ``(out, in)`` matrix."""
        down = self.down.weight
        return torch.cat([down, self.rest @ down]).index_select(0, self.order)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, rank={self.rank}"


def factored_parameters(inputs: int, outputs: int, rank: int) -> int:
    """Numbers that a :class:`FactoredLinear` of a rank stores, its bias and the order of its outputs left out."""
    return rank * (inputs + outputs - rank)


def factored_rank(inputs: int, outputs: int, parameters: float) -> int:
    """Largest rank that stores at most so many numbers.

    Raises:
        CayleyError: not even rank 1 is that small.
    """
    total = inputs + outputs
    rank = math.floor((total - math.sqrt(max(total * total - 4 * parameters, 0.0))) / 2 + 1e-9)
    rank = min(rank, inputs, outputs)
    if rank < 1:
        raise CayleyError(
            f"{parameters:.0f} parameters leave no rank for a {outputs}×{inputs} projection; "
            f"compress by at most {1 - (total - 1) / (inputs * outputs):.4f}"
        )
    return rank
