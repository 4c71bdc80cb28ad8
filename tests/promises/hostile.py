"""A corpus of texts that strangers may give, and what they must not do.

Run as a program with the name of a kind: it prints what went wrong, a line each. Each
input is given seconds of the processor and bytes of memory; what it opens, starts or
connects to is watched.
"""

import json
import os
import resource
import signal
import sys
import tempfile
import warnings
from pathlib import Path

SECONDS, BYTES = 2.0, 500 * 2**20
FORBIDDEN = (
    *("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.kill"),
    *("subprocess.Popen", "socket.connect", "socket.bind", "pty.spawn"),
    *("urllib.Request", "webbrowser.open", "code.__new__", "pickle.find_class"),
)
SECRET = "/etc/passwd"
CODE = (
    "__import__('os').system('id')",
    "__import__('os').environ",
    "__builtins__",
    "globals()['x']",
    "().__class__.__bases__[0].__subclasses__()",
    "x.__class__",
    "x.__class__.__mro__[1]",
    "(lambda: x)()",
    "(lambda f: f(f))(lambda f: f(f))",
    "exec('x = 1')",
    "eval('x**2')",
    "eval(x)",
    "compile('x', 'y', 'eval')",
    f"open('{SECRET}').read()",
    "getattr(x, 'real')",
    "setattr(x, 'real', 1)",
    "vars()",
    "breakpoint()",
    "input()",
    "print(x)",
    "help(x)",
    "exit()",
    "quit()",
    "raise SystemExit",
    "import os",
    "import os; x",
    "x; import os",
    "x\nimport os",
    "x if __import__('os') else y",
    "[x for x in ().__class__.__base__.__subclasses__()]",
    "{x: 1}",
    "{x for x in y}",
    "(x := 3)**2",
    "f'{x}'",
    "f'{__import__(\"os\").getcwd()}' * x",
    "'a' * 10**9",
    "b'a' * 10**9",
    "x.subs(x, y)",
    "x.evalf(10**9)",
    "x.func",
    "sympify('x')",
    "S('x')",
    "Symbol('x')",
    "lambdify(x, x)",
    "sympy.sympify('x')",
    "np.load('x.npy', allow_pickle=True)",
    "numpy.fromfile('x')",
    f"np.loadtxt('{SECRET}')",
    "os.system('id')",
    "sys.exit(1)",
    "yield x",
    "await x",
    "async def f(): pass",
    "def f(): return x",
    "class A: pass",
    "del x",
    "global x",
    "assert x",
    "with x as y: pass",
    "try: x\nexcept: y",
    "while True: x",
    "for i in range(9): x",
    "return x",
    "x = 1",
    "x += 1",
    "x -> y",
    "*x",
    "**x",
    "x.y.z.w",
    "x['__class__']",
    "x[__import__('os')]",
    "x[0].__class__",
    "sum(open('/etc/passwd'))",
    "sum(x for x in globals())",
    "sum(i for i in iter(int, 1))",
    "max(key=print)",
    "sum(x, start=print)",
    "print",
    "type(x)",
    "type('A', (), {})()",
    "object()",
    "memoryview(b'x')",
    "bytearray(10**10)",
    "range(10**18)",
    "list(range(10**10))",
    "${HOME}",
    "$(id)",
    "`id`",
    "%s%n%n%n",
    "{0.__class__}",
    "{{7*7}}",
    "<script>alert(1)</script>",
    "x</script><script>alert(1)</script>",
    "'; DROP TABLE x; --",
    "../../../../etc/passwd",
    "file:///etc/passwd",
    "\\x41",
    "\\u0000",
    "x\x00y",
    "\x00",
    "x\u202ey",
    "ｅｖａｌ(x)",
    "ｏｐｅｎ('x')",
    "__ｉｍｐｏｒｔ__('os')",
    "x\u2028import os",
    "\ufeffx**2",
    "x\r\nimport os",
    "# -*- coding: rot13 -*-\nk",
)
COSTLY = (
    "9**9**9**9",
    "10**10**10",
    "2**-(10**12)",
    "x**(10**400)",
    "(10**10**10)*x",
    "9" * 100_000,
    "1e" + "9" * 5000,
    "0." + "1" * 100_000 + "*x",
    "x**" * 500 + "2",
    "2**" * 50 + "2",
    "(" * 5000 + "x" + ")" * 5000,
    "-" * 10_000 + "x",
    "not " * 3000 + "x",
    "x" + "+x" * 60_000,
    "x*" * 20_000 + "x",
    "x/" * 5000 + "x",
    "x%" * 2000 + "3",
    "max(" * 300 + "x" + ", y)" * 300,
    "abs(" * 2000 + "x" + ")" * 2000,
    "sin(" * 3000 + "x" + ")" * 3000,
    "exp(" * 50 + "x" + ")" * 50,
    "(x+y+z+w)**5000",
    "(x+1)**(10**6)",
    "(x+y)**99*(x-y)**99*(x+2*y)**99",
    "factorial(10**9)",
    "gamma(10**9)*x",
    "binomial(10**9, 5*10**8)*x",
    "binomial(10**9, k*10**8)*x",
    "gamma(-10**8 + 1/2)*x",
    "zeta(2)*x",
    "x*factorial(factorial(9))",
    "sum(i for i in range(10**18))*x",
    "sum(x[i] for i in range(10**15))",
    "sum(x*i for i in range(10**18))",
    "prod(x for i in range(10**12))",
    "sum(x for i in range(10**6) for j in range(10**6) for k in range(10**6))",
    "sum(x[i**i] for i in range(100))",
    "sum(x[2**i] for i in range(99))",
    "sum(x[10**i] for i in range(30))",
    "sum(x[i*10**18] for i in range(99))",
    "x[10**30]",
    "x[-1-10**20]",
    "x[9**9**9]",
    "range(10**30)",
    "sum(x[i % 0] for i in range(9))",
    "sum(x[i//0] for i in range(9))",
    "x if x > 0 else " * 400 + "0",
    "max(" + ", ".join(f"x{i}" for i in range(3000)) + ")",
    "+".join(f"x{i}*y{i}" for i in range(20_000)),
    "*".join(f"(x{i}+1)" for i in range(3000)),
    "x" * 200_000,
    "x" + " " * 10**6 + "+ 1",
    "#" * 10**6,
    "\n" * 10**5,
    "x" + "'" * 10**5,
    "(x" + ",x" * 10**5 + ")",
    "x<" * 3000 + "1",
    "x if " * 2000,
    "[" * 10_000,
    "{" * 10_000,
    "Mod(10**1000, 7**500)*x",
    "(7**500 % 3**400)*x",
    "x % 10**300",
    "floor(10**400*x)",
    "pi**pi**pi**pi*x",
    "E**(10**9)*x",
    "sqrt(2)**(10**9)*x",
    "(1/3)**(10**8)*x",
    "Rational(1, 3)**(10**7)*x",
    "tan(10**400)*x",
    "log(10**10**5)*x",
    "acos(2)*x",
    "(-1)**0.5*x",
    "0**-1*x",
    "1/0*x",
    "0/0*x",
    "nan*x",
    "inf*x - inf",
)
RULES = (
    "x = __import__('os').system('id')",
    f"x = open('{SECRET}')",
    "x = x.__class__",
    "import os\nx = x - g",
    "exec = g\nx = x - exec",
    "__class__ = g\nx = x - g",
    "x = x - g; import os",
    "x = (lambda: g)()",
    "x = eval(g)",
    "x = x - step_size*g**" + "9**" * 30 + "9",
    "x = x - " + "g*" * 5000 + "g",
    "m = m\n" * 3000 + "x = x - g",
    "x = " + "sqrt(" * 2000 + "g" + ")" * 2000,
    "x = " + "(" * 3000 + "g" + ")" * 3000,
    "Rule ../../x\nx = x - g",
    "Rule x\x00y\nx = x - g",
    "x = x - s*g\nwith s=__import__('os').getpid()",
    "x = x - s*g\nwith s=open('/etc/passwd')",
    "x = x - s*g\nwith s=9**9**9**9",
    "x = x - s*g\nwith s='9**9**9'",
    "x = x - s*g\nwith self=1, s=2",
    "x = x - s*g\nwith name=1, s=2",
    "x = x - m\nwhere m starts at open('x')",
    "x = x - m\nwhere m starts at 9**9**9**9",
    "x = x - norm(norm(norm(g)))",
    "x = x - dot(" * 200 + "g",
    "x = " + "-" * 10_000 + "g",
    "def f(): pass\nx = x - g",
    "while True: pass",
    "x = [g for g in range(10**9)]",
    "x = x - 'a'*10**9",
    "x = f'{g}'",
    "x = x - g if __import__('os') else g",
    "x" * 100_000 + " = g",
    "= g",
    "x = ",
    "\x00",
)
SCHEDULES = (
    "__import__('os').getpid()",
    f"open('{SECRET}')",
    "t.__class__",
    "9**9**9**9",
    "t**(10**400)",
    "1/" * 3000 + "t",
    "sin(" * 3000 + "t" + ")" * 3000,
    "factorial(t)**factorial(t)",
    "sum(t for i in range(10**15))",
    "(lambda: t)()",
    "t if exec('x') else 1",
    "x" * 100_000,
    "\x00",
    "",
)
NAMES = (
    "__class__",
    "__import__('os')",
    "x; import os",
    "a b",
    "lambda",
    "",
    "\x00",
    "x\ny",
    "<script>",
    "../../etc/passwd",
    "%s",
    "{x.__class__}",
    "x" * 100_000,
    "ｅｖａｌ",
    "'",
    '"); import os; ("',
)
RELATIONS = (
    "x >= __import__('os').getpid()",
    f"x >= open('{SECRET}')",
    "x == 9**9**9**9",
    "x >= 1 " * 3000,
    "x <= " * 3000 + "1",
    "x >= 1 for i in range(10**18)",
    "x[i] >= 1 for i in range(10**15)",
    "x >= 1 for i in open('x')",
    "x >= 1 if exec('y')",
    "(x >= 1) and (y >= 1) " * 100,
    "x >= (lambda: 1)()",
    "x.__class__ == 1",
    "\x00",
    "x >= 1; import os",
)
CORPUS = {
    "code": CODE,
    "costly": COSTLY,
    "rules": RULES,
    "schedules": SCHEDULES,
    "names": NAMES,
    "relations": RELATIONS,
}


class OutOfTime(BaseException):
    """The seconds of an input are over."""


def given(kind, text):
    """Give symgd a text of some kind, as a user's program would."""
    import numpy as np

    import symgd

    square, limit = "x**2", {"maxiter": 3, "time_limit": 0.5}
    if kind in ("code", "costly"):
        symgd.minimize(text, **limit)
    elif kind == "rules":
        symgd.minimize(square, [1.0], method=symgd.Rule.from_text(text), **limit)
    elif kind == "schedules":
        symgd.minimize(square, [1.0], method="gd", step_size=text, **limit)
    elif kind == "names":
        column = np.arange(4.0)
        symgd.fit("a*t + b", {text: column, "t": column}, "t", time_limit=0.5)
        symgd.fit(f"a*{text} + b", {text: column, "y": column}, "y", time_limit=0.5)
    else:
        symgd.minimize("x**2 + y**2", subject_to=text, **limit)


def watched(event, arguments):
    """Refuse what no text may lead to; an audit hook."""
    if any(event == each or event.startswith(each + ".") for each in FORBIDDEN):
        done.append(event)
    if event == "open" and str(arguments[0]) == SECRET:
        done.append(f"open {SECRET}")


done = []


def main(kind):
    """Print what goes wrong with the texts of a kind."""
    import symgd

    def over(*_):
        raise OutOfTime

    warnings.simplefilter("ignore")
    symgd.minimize("(x - 1)**2", [0.0], method="gd", maxiter=3)
    symgd.minimize("(x - 1)**2 + y", [0.0, 0.0], subject_to="y >= 0")
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf(
        "SC_PAGE_SIZE"
    )
    resource.setrlimit(resource.RLIMIT_AS, (used + BYTES,) * 2)
    signal.signal(signal.SIGPROF, over)
    sys.addaudithook(watched)
    wrong = []
    for text in CORPUS[kind]:
        done.clear()
        shown = ascii(text if len(text) < 60 else f"{text[:40]}... of {len(text)}")
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            given(kind, text)
        except symgd.SymgdError:
            pass
        except OutOfTime:
            wrong.append(f"{shown} took more than {SECONDS} s")
        except BaseException as error:
            wrong.append(f"{shown} raised {type(error).__name__}: {str(error)[:80]}")
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0.0)
        wrong += [f"{shown} did {event}" for event in done]
    print(json.dumps(wrong))


if __name__ == "__main__":
    os.chdir(tempfile.mkdtemp())
    main(sys.argv[1])
