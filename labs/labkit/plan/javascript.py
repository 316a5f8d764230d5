"""The formulas of `labkit.plan.lines` and those of `labkit.predict` that they use, translated for a page.

The translation reads the functions' own source, so that no formula is written twice. It knows what formulas are made
of: arithmetic, comparisons, `math`, `max`, `min`, assignments, `if`, and loops over `range`. Checks of input (calls
that stand alone, and branches that raise) stay out: a page's inputs have ranges. Anything else is refused.
"""

from __future__ import annotations

import ast
import inspect
import math
import textwrap
from collections.abc import Callable
from functools import cache

from labkit.plan.lines import LINES, RULES

_MATH = {math.ceil: "Math.ceil", math.floor: "Math.floor", math.log: "Math.log", math.log2: "Math.log2",
         math.exp: "Math.exp", math.sqrt: "Math.sqrt", max: "Math.max", min: "Math.min", abs: "Math.abs"}
_OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**", ast.Lt: "<", ast.LtE: "<=",
              ast.Gt: ">", ast.GtE: ">=", ast.Eq: "===", ast.NotEq: "!==", ast.And: "&&", ast.Or: "||"}


class Untranslatable(ValueError):
    """A formula that uses what the translation does not know."""


@cache
def source() -> str:
    """Return a script that declares `formulas` and `conditions`: by name, a function of what it needs, in order."""
    writer = _Writer()
    tables = []
    for kind, table in (("formulas", LINES), ("conditions", RULES)):
        names = {name: writer.function(each.formula) for name, each in table.items()}
        pairs = ", ".join(f"{name}: {function}" for name, function in names.items())
        tables.append(f"const {kind} = {{ {pairs} }};")
    return "\n".join([*writer.written.values(), *tables]) + "\n"


class _Writer:
    """Writes functions and what they call, each once, what is called before what calls it."""

    def __init__(self):
        self.written: dict[Callable, str] = {}
        self._names: dict[Callable, str] = {}

    def function(self, function: Callable) -> str:
        """Write a function unless it is there; return its name in the module."""
        function = inspect.unwrap(function)
        if function not in self._names:
            self._names[function] = "_".join([*function.__module__.split(".")[1:], function.__name__])
            node = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
            body = _Body(self, function).block(node.body)
            arguments = ", ".join(argument.arg for argument in node.args.args)
            self.written[function] = f"const {self._names[function]} = ({arguments}) => {{ {body} }};"
        return self._names[function]


class _Body:
    """Translates the body of one function."""

    def __init__(self, writer: _Writer, function: Callable):
        self._writer, self._globals, self._function = writer, function.__globals__, function
        self._local = set(function.__code__.co_varnames)
        self._declared = set(function.__code__.co_varnames[:function.__code__.co_argcount])

    def block(self, statements: list[ast.stmt]) -> str:
        """Return statements; names that are assigned in a block are declared before it."""
        return " ".join(filter(None, map(self._statement, statements)))

    def _statement(self, node: ast.stmt) -> str:
        match node:
            case ast.Expr():
                return ""  # a docstring, or a check of input
            case ast.Return(value=value):
                return f"return {self.expression(value)};"
            case ast.Assign(targets=[target], value=value):
                return self._assign(target, value)
            case ast.If(body=[ast.Raise()], orelse=[]):
                return ""
            case ast.If(test=test, body=body, orelse=orelse):
                rest = f" else {{ {self.block(orelse)} }}" if orelse else ""
                return f"if ({self.expression(test)}) {{ {self.block(body)} }}{rest}"
            case ast.For(target=ast.Name(id=name), iter=ast.Call(func=ast.Name(id="range"), args=[first, end]),
                         body=body, orelse=[]):
                self._declared.add(name)
                return (f"for (let {name} = {self.expression(first)}; {name} < {self.expression(end)}; {name}++) "
                        f"{{ {self.block(body)} }}")
        raise self._unknown(node)

    def _assign(self, target: ast.expr, value: ast.expr) -> str:
        match target, value:
            case ast.Name(id=name), _:
                word = "" if name in self._declared else "let "
                self._declared.add(name)
                return f"{word}{name} = {self.expression(value)};"
            case ast.Tuple(elts=names), ast.Tuple(elts=values) if len(names) == len(values):
                return " ".join(self._assign(name, each) for name, each in zip(names, values, strict=True))
        raise self._unknown(target)

    def expression(self, node: ast.expr) -> str:
        """Return an expression, in brackets wherever it has parts."""
        match node:
            case ast.Constant(value=bool()) | ast.Constant(value=str()):
                raise self._unknown(node)
            case ast.Constant(value=value):
                return repr(value)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return f"({self.expression(left)} {_OPERATORS[type(op)]} {self.expression(right)})"
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return f"(-{self.expression(operand)})"
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return f"(!{self.expression(operand)})"
            case ast.BoolOp(op=op, values=parts):
                return "(" + f" {_OPERATORS[type(op)]} ".join(map(self.expression, parts)) + ")"
            case ast.Compare(left=left, ops=ops, comparators=rights) if all(type(op) in _OPERATORS for op in ops):
                lefts = [left, *rights]
                pairs = [f"{self.expression(a)} {_OPERATORS[type(op)]} {self.expression(b)}"
                         for a, op, b in zip(lefts, ops, rights, strict=False)]
                return "(" + " && ".join(pairs) + ")"
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return f"({self.expression(test)} ? {self.expression(body)} : {self.expression(orelse)})"
            case ast.Call(func=func, args=arguments, keywords=[]):
                return f"{self._called(func)}({', '.join(map(self.expression, arguments))})"
            case ast.Name(id=name) if name in self._local:
                return name
            case ast.Name() | ast.Attribute():
                return self._figure(node)
        raise self._unknown(node)

    def _called(self, node: ast.expr) -> str:
        function = self._object(node)
        if function in _MATH:
            return _MATH[function]
        if inspect.isfunction(function) and function.__module__.startswith("labkit."):
            return self._writer.function(function)
        raise self._unknown(node)

    def _figure(self, node: ast.expr) -> str:
        figure = self._object(node)
        if isinstance(figure, bool) or not isinstance(figure, (int, float)):
            raise self._unknown(node)
        return "Infinity" if figure == math.inf else repr(figure)

    def _object(self, node: ast.expr):
        if isinstance(node, ast.Attribute):
            return getattr(self._object(node.value), node.attr)
        if isinstance(node, ast.Name) and node.id in self._globals:
            return self._globals[node.id]
        if isinstance(node, ast.Name) and node.id in ("max", "min", "abs"):
            return {"max": max, "min": min, "abs": abs}[node.id]
        raise self._unknown(node)

    def _unknown(self, node: ast.AST) -> Untranslatable:
        name = f"{self._function.__module__}.{self._function.__name__}"
        return Untranslatable(f"{name} uses {ast.unparse(node)!r}, which cannot be translated for a page.")
