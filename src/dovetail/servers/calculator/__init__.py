"""The calculator: exact arithmetic, units, equations and calculus. No text is ever evaluated as code."""

from typing import TYPE_CHECKING

from dovetail._lazy import lazy

if TYPE_CHECKING:
    from dovetail.servers.calculator.failures import CalculatorError as CalculatorError
    from dovetail.servers.calculator.server import make as make
    from dovetail.servers.calculator.settings import Settings as Settings

__getattr__, __dir__, __all__ = lazy(
    __name__, {"failures": "CalculatorError", "server": "make", "settings": "Settings"}
)
