"""The operations of a tape, by number: see ``kernels.intervals``."""

from __future__ import annotations

NAMES = (
    # of two registers
    *("ADD", "MUL", "DIV", "MAX", "MIN", "LESS", "LESS_EQUAL", "AND", "OR", "SHARE"),
    # a condition and two registers
    "SELECT",
    # of one register
    *("NEG", "SQUARE", "POWER", "REAL_POWER", "SQRT", "CBRT", "ABS", "SIGN", "STEP"),
    *("NOT", "FLOOR", "SIN", "COS", "TAN", "ASIN", "ACOS", "COSH", "LOG", "LOG1P"),
    *("ACOSH", "ATANH", "LOG_COSH", "ERFC"),
    # of one register, increasing wherever they are defined, which is everywhere
    *("EXP", "EXPM1", "ATAN", "SINH", "TANH", "ASINH", "ERF", "SIGMOID", "SOFTPLUS"),
    "NOWHERE",
)
NUMBERS = {name: number for number, name in enumerate(NAMES)}

(ADD, MUL, DIV, MAX, MIN, LESS, LESS_EQUAL, AND, OR, SHARE) = range(10)
SELECT = 10
(NEG, SQUARE, POWER, REAL_POWER, SQRT, CBRT, ABS, SIGN, STEP) = range(11, 20)
(NOT, FLOOR, SIN, COS, TAN, ASIN, ACOS, COSH, LOG, LOG1P) = range(20, 30)
(ACOSH, ATANH, LOG_COSH, ERFC) = range(30, 34)
(EXP, EXPM1, ATAN, SINH, TANH, ASINH, ERF, SIGMOID, SOFTPLUS) = range(34, 43)
NOWHERE = 43

# What is known of a value on a whole box: its decoration.
UNDEFINED, CONTINUOUS, SMOOTH = 0, 1, 2
