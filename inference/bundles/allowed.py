"""
What a configuration may call: networks, transforms and inferers of MONAI, layers and numbers of torch and numpy.

`monai.bundle` evaluates any Python that a configuration holds. A bundle is data from outside, so before MONAI sees it,
every `_target_` and every `$` expression that would be reached is held against this list. The name alone is not enough:
`torch.os.system` is a name of torch too, so what it stands for must come from the same place.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pydoc import locate

ROOTS = {"monai": "monai", "torch": "torch", "np": "numpy", "numpy": "numpy"}
PLACES = (
    "monai.networks.nets",
    "monai.networks.blocks",
    "monai.networks.layers",
    "monai.apps.detection",
    "monai.transforms",
    "monai.inferers",
    "torch.nn",
)
NOT_THERE = ("monai.transforms.io",)  # they reach files by names in the configuration
NAMES = frozenset(
    {
        *(f"torch.{name}" for name in ("device", "tensor", "sigmoid", "softmax", "cuda.is_available", "cat", "stack")),
        *(f"torch.{name}" for name in ("float32", "float16", "bfloat16", "float", "half", "int64", "long", "bool")),
        *(f"numpy.{name}" for name in ("array", "prod", "sum", "mean", "float32", "int64", "pi", "inf", "nan")),
    }
)
METHODS = re.compile(r"to|eval|float|half|bfloat16|cpu|cuda|set_[a-z_]+")
"""Methods of what the configuration built: they place it or set it up."""

FOR_PEOPLE = "monai.networks, monai.apps.detection, monai.transforms, monai.inferers or torch.nn"

_REFERENCE = re.compile(r"@\w*(?:::\w*)*")  # exactly what MONAI takes for one
_PLAIN = (
    ast.Expression, ast.Constant, ast.List, ast.Tuple, ast.Dict, ast.Load, ast.keyword,
    ast.BinOp, ast.operator, ast.UnaryOp, ast.unaryop, ast.BoolOp, ast.boolop, ast.Compare, ast.cmpop, ast.IfExp,
    ast.Subscript, ast.Slice,
)  # fmt: skip


def why_not_target(name: str) -> str | None:
    """
    Say why a `_target_` is not called.

    Parameters
    ----------
    name
        Dotted path of a class or function.

    Returns
    -------
    str or None
        None when it may be called.
    """
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", name):
        return f"{name!r} is no name of a class or function"
    if not _is_within(name, PLACES) and name not in NAMES:
        return f"{name} is not called: only what {FOR_PEOPLE} hold is"
    found = locate(name)
    if found is None:
        return f"{name} is not in the MONAI and torch that are installed"
    if name not in NAMES and not (callable(found) and _is_within(_home(found), PLACES)):
        return f"{name} is not called: it comes from {_home(found) or 'elsewhere'}"
    return None


def why_not_expression(text: str) -> str | None:
    """
    Say why a `$` expression is not evaluated.

    Parameters
    ----------
    text
        Without the `$`; references such as `@network` are allowed.

    Returns
    -------
    str or None
        None when it may be evaluated.
    """
    if "__" in text:
        return "names with __ are not evaluated"
    # MONAI makes :: of # before it evaluates: what is a comment to Python is none there.
    text = text.replace("#", "::")
    try:
        tree = ast.parse(_REFERENCE.sub("_ref", text.strip()), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "not an expression (statements are not run)"
    return next(_whys(tree), None)


def _whys(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Call):
        yield from _whys_of_call(node)
        for part in (*node.args, *node.keywords):
            yield from _whys(part)
    elif isinstance(node, ast.Attribute):
        yield from _whys_of_name(node)
    elif isinstance(node, ast.Name):
        if node.id != "_ref":
            yield f"{node.id} is not evaluated: only references and what {FOR_PEOPLE} hold are"
    elif isinstance(node, _PLAIN):
        for part in ast.iter_child_nodes(node):
            yield from _whys(part)
    else:
        yield f"{type(node).__name__} is not evaluated: values, references and calls are"


def _whys_of_call(node: ast.Call) -> Iterator[str]:
    function = node.func
    if not isinstance(function, ast.Attribute):
        yield "only named functions are called"
        return
    if _dotted(function) is not None:
        yield from _whys_of_name(function)
    elif not METHODS.fullmatch(function.attr):
        yield f"method {function.attr} is not called: .to(), .eval() and set_...() are"
    else:
        yield from _whys(function.value)


def _whys_of_name(node: ast.Attribute) -> Iterator[str]:
    name = _dotted(node)
    if name is None:
        yield f"attribute {node.attr} is not read"
        return
    why = why_not_target(name)
    if why is not None:
        yield why


def _dotted(node: ast.expr) -> str | None:
    """Return the full name of `monai.a.b`; None where it does not begin with one of the modules."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in ROOTS:
        return None
    return ".".join((ROOTS[node.id], *reversed(parts)))


def _home(found: object) -> str:
    return f"{getattr(found, '__module__', None) or ''}.{getattr(found, '__qualname__', '')}"


def _is_within(name: str, places: tuple[str, ...]) -> bool:
    def within(place: str) -> bool:
        return name.startswith(place + ".")

    return any(map(within, places)) and not any(map(within, NOT_THERE))
