"""What a cell means: state, echo, output, failures."""

from __future__ import annotations

import re

import pytest

from factory.sandbox.local import LocalSandbox
from tests.sandbox.support import run_cells

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Cells of one session -> what the last of them prints.
PRINTS = {
    "last expression": (["1 + 1"], "2\n"),
    "print then echo": (["print('a')\n'b'"], "a\n'b'\n"),
    "only the last one is echoed": (["1\n2\n3"], "3\n"),
    "None is silent": (["None"], ""),
    "assignment is silent": (["x = 5"], ""),
    "semicolon": (["5;"], ""),
    "semicolon and comment": (["5;  # five; six"], ""),
    "semicolon in a string": (["'a;'"], "'a;'\n"),
    "semicolon in a comment": (["5  # ;"], "5\n"),
    "statement in a branch is not echoed": (["if True:\n    5"], ""),
    "state": (["x = 5", "def f(): return x", "x = 6", "f()"], "6\n"),
    "underscore": (["6 * 7", "_ + 1"], "43\n"),
    "underscore of one's own": (["_ = 3", "6 * 7", "_"], "3\n"),
    "state survives an error": (["x = 1", "x = 2\n1 / 0", "x"], "2\n"),
    "dedent": (["    x = 3\n    x"], "3\n"),
    "dedent after blank lines": (["\n\n  x = 3\n  for i in range(2):\n    x += i\n  x"], "4\n"),
    "windows line ends": (["x = 1\r\nif x:\r\n    y = 2\r\ny"], "2\n"),
    "empty": ([""], ""),
    "comment only": (["# nothing"], ""),
    "no newline at the end": (["print('a', end='')"], "a"),
    "set is sorted": (["{3, 1, 2, 10}"], "{1, 2, 3, 10}\n"),
    "list on one line": (["list(range(200))"], str(list(range(200))) + "\n"),
    "function without address": (["def f(x): pass\nf"], "<function __main__.f(x)>\n"),
    "object without address": (["class A: pass\n[A()]"], "[<__main__.A>]\n"),
    "generator without address": (["(i for i in [])"], "<generator object <genexpr>>\n"),
    "main": (["__name__"], "'__main__'\n"),
    "pickle of one's own class": (
        ["import pickle\nclass A:\n    x = 1\npickle.loads(pickle.dumps(A())).x"],
        "1\n",
    ),
    "dataclass": (["from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\nP(3)"], "P(x=3)\n"),
    "top-level await": (["import asyncio\nawait asyncio.sleep(0, 7)"], "7\n"),
    "await in a loop": (["import asyncio\nfor i in range(3):\n    await asyncio.sleep(0)\ni"], "2\n"),
    "a task and its await": (
        ["import asyncio\nasync def f(): return 5\nt = asyncio.create_task(f())\nawait t"],
        "5\n",
    ),
    "asyncio.run": (["import asyncio\nasync def f(): return 5\nasyncio.run(f())"], "5\n"),
    "threads": (
        ["from concurrent.futures import ThreadPoolExecutor as Pool\nwith Pool(4) as p: r = [*p.map(abs, [-1])]\nr"],
        "[1]\n",
    ),
    "alarm of one's own": (
        [
            "import signal\ndef ring(*_): raise OSError('late')\nsignal.signal(signal.SIGALRM, ring)\n"
            "def spin():\n    while True: pass",
            "signal.setitimer(signal.ITIMER_REAL, 0.05)\ntry: spin()\nexcept OSError as e: print(e)",
        ],
        "late\n",
    ),
    "display": (["display(1, {2, 1})"], "1\n{1, 2}\n"),
    "file in scratch": (["open('a.txt', 'w').write('hi')", "open('a.txt').read()"], "'hi'\n"),
    "module of one's own": (["open('mine.py', 'w').write('x = 3')", "import mine\nmine.x"], "3\n"),
    "temporary file": (["import tempfile\nwith tempfile.TemporaryFile() as f: f.write(b'x')\nf.closed"], "True\n"),
    "null device": (["open('/dev/null', 'w').write('x')"], "1\n"),
    "stdin is empty": (["try:\n    input()\nexcept EOFError: print('none')"], "none\n"),
    "system": (["import os\nos.write(1, b'raw\\n');"], "raw\n"),
    "original stdout": (["import sys\nprint('a', file=sys.__stdout__)"], "a\n"),
    "printed by C": (["import ctypes\nctypes.CDLL(None).puts(b'c');"], "c\n"),
    "sympy": (["from sympy import *\nx = symbols('x')", "solve(x**2 - 2, x)"], "[-sqrt(2), sqrt(2)]\n"),
    "numpy": (["import numpy as np\nnp.arange(4).reshape(2, 2)"], "array([[0, 1],\n       [2, 3]])\n"),
    "numpy in a list": (["import numpy as np\n[np.eye(2, dtype=int)]"], "[array([[1, 0],\n        [0, 1]])]\n"),
    "pandas": (["import pandas as pd\npd.DataFrame({'a': [1]})"], "   a\n0  1\n"),
    "lone surrogate": (["print('\\ud800')"], "\\ud800\n"),
    "not UTF-8": (["import os\nos.write(1, b'\\xff\\n');"], "\ufffd\n"),
    "control tokens stay text": (["print('<|end|>')"], "<|end|>\n"),
    "terminal escapes stay": (["print('\\x1b[31mred')"], "\x1b[31mred\n"),
    "NUL": (["print('a\\0b')"], "a\0b\n"),
    "astral": (["'𝔽₂'"], "'𝔽₂'\n"),
}

# Cells of one session -> status of the last and what its stderr holds, and must not hold.
FAILS = {
    "zero division": (["1 / 0"], "ZeroDivisionError: division by zero"),
    "frames of the cell": (["def f():\n    return 1 / 0", "f()"], 'File "<cell 1>", line 2, in f\n    return 1 / 0'),
    "syntax": (["x = = 3"], "SyntaxError: invalid syntax"),
    "indentation": (["def f():\nx"], "IndentationError"),
    "name": (["foo"], "NameError: name 'foo' is not defined"),
    "cause": (["try:\n    1 / 0\nexcept Exception as e:\n    raise ValueError('x') from e"], "direct cause"),
    "recursion": (["def f(): f()\nf()"], "RecursionError"),
    "too many digits": (["3**20000"], "ValueError: Exceeds the limit"),
    "exit": (["exit()"], "SystemExit"),
    "NUL in the code": (["x = '\0'"], "null bytes"),
    "surrogate in the code": (["x = '\ud800'"], "UnicodeEncodeError"),
    "magic": (["%timeit 1"], "SyntaxError: invalid syntax\nThis is not IPython"),
    "cell magic": (["%%time\nx = 1"], "This is not IPython"),
    "shell command": (["x = !ls"], "This is not IPython"),
    "install": (["pip install numpy"], "invalid syntax\nNothing can be installed here"),
    "fence": (["```python\nprint(1)\n```"], "Send the code alone, without ```"),
    "prompt": ([">>> 1 + 1"], "Send the code alone, without prompts"),
    "numbered prompt": (["In [3]: 1 + 1"], "NameError: name 'In' is not defined\nSend the code alone"),
    "notebook's display": (["from IPython.display import Markdown"], "a plain Python session, not a notebook"),
    "help": (["print?"], "This is not IPython"),
    "help on a name": (["?print"], "This is not IPython"),
    "carets of the last line": (["x = 1\nx[0]"], "    x[0]\n    ~^^^\nTypeError"),
    "carets of a line of its own": (["def f():\n    return x[0]\nx = 1", "f()"], "    return x[0]\n           ~^^^\n"),
    "frames of the cell's own module": (
        ["open('own.py', 'w').write('def f(): raise KeyError(1)')\nimport own", "own.f()"],
        '  File "own.py", line 1, in f',
    ),
    "missing package": (["import torch"], "ModuleNotFoundError: No module named 'torch'"),
    "the factory is not there": (["import factory"], "ModuleNotFoundError: No module named 'factory'"),
    "echo that fails": (["class A:\n    def __repr__(self): return 1 / 0\nA()"], "ZeroDivisionError"),
    "error that cannot be shown": (
        ["class E(Exception):\n    def __str__(self): raise ValueError\nraise E"],
        "E: <exception str() failed>",
    ),
    "unraised group": (["raise ExceptionGroup('g', [ValueError(1), TypeError(2)])"], "ValueError: 1"),
    "keyboard interrupt": (["raise KeyboardInterrupt"], "KeyboardInterrupt"),
}


# Cells that print a traceback themselves, or make Python print one -> what is said, on either stream.
SAYS = {
    "print_exc": (
        "import json, traceback\ntry: json.loads('{')\nexcept ValueError: traceback.print_exc()",
        'File "json/decoder.py"',
    ),
    "format_stack": (
        "import traceback\nprint(''.join(traceback.format_stack()))",
        '  File "<cell 1>", line 2, in <module>',
    ),
    "stack": ("import inspect\nprint(*[f.filename for f in inspect.stack()])", "<cell 1>"),
    "frames": ("import sys\nf = sys._getframe()\nwhile f: print(f.f_code.co_filename); f = f.f_back", "<session>"),
    "logging": (
        "import json, logging\ntry: json.loads('{')\nexcept ValueError: logging.exception('bad')",
        'File "json/decoder.py"',
    ),
    "thread": (
        "import json, threading\nt = threading.Thread(target=json.loads, args=('{',), name='T')\nt.start(); t.join()",
        'Exception in thread T:\nTraceback (most recent call last):\n  File "json/decoder.py"',
    ),
    "finalizer": (
        "class A:\n    def __del__(self): raise KeyError(1)\na = A(); del a",
        "Exception ignored in: <function A.__del__>\nTraceback",
    ),
    "excepthook": (
        "import sys\ntry: 1 / 0\nexcept Exception: sys.excepthook(*sys.exc_info())",
        'File "<cell 1>", line 2',
    ),
    "executor": (
        "from concurrent.futures import ThreadPoolExecutor as P\nimport traceback\n"
        "try: P(1).submit(int, 'x').result()\nexcept ValueError: traceback.print_exc()",
        'File "concurrent/futures/thread.py"',
    ),
    "standard output": ("import sys\nprint(type(sys.stdout), sys.stdout)", "_Stream"),
    "display": ("print(display)", "<function "),
    "builtins": ("print(__builtins__)", "<module 'builtins' (built-in)>"),
}


@pytest.mark.parametrize("name", SAYS)
async def test_no_place_on_the_machine_and_no_frame_of_the_runner_is_named(sandbox: LocalSandbox, name: str) -> None:
    code, expected = SAYS[name]
    (result,) = await run_cells(sandbox, code)
    said = result.stdout + result.stderr
    assert expected in said, said
    assert not re.search(r"factory|site-packages|/lib/|repl\.py|session\.py|zygote|/tmp|<string>", said), said
    assert "0x" not in said or name == "display"


@pytest.mark.parametrize("code", ['print("why?', "x = 'what?\nprint(x)", "x = = 3  # why?", "1 +\n# %d"])
async def test_a_note_is_for_what_it_is_about(sandbox: LocalSandbox, code: str) -> None:
    (result,) = await run_cells(sandbox, code)
    assert "SyntaxError" in result.stderr
    assert "IPython" not in result.stderr


async def test_a_timeout_names_the_line(sandbox: LocalSandbox) -> None:
    (result,) = await run_cells(sandbox, "def f():\n    while True: len('')\n\nf()", timeout_s=0.3)
    assert result.status == "timeout"
    lines = result.stderr.splitlines()
    assert '  File "<cell 1>", line 2, in f' in lines
    assert lines[-1] == "Timeout: stopped after 0.3 s. Variables are kept."
    assert "CellTimeout" not in result.stderr


@pytest.mark.parametrize("module", ["tqdm", "psutil", "numpy", "scipy", "sympy", "mpmath", "networkx", "pandas"])
async def test_what_is_promised_can_be_imported(sandbox: LocalSandbox, module: str) -> None:
    (result,) = await run_cells(sandbox, f"import {module}\n{module}.__name__", timeout_s=60)
    assert result.stdout == f"{module!r}\n", result.stderr


async def test_progress_bars_work(sandbox: LocalSandbox) -> None:
    (result,) = await run_cells(sandbox, "from tqdm import tqdm\nsum(tqdm(range(3)))")
    assert (result.status, result.stdout) == ("ok", "3\n")


@pytest.mark.parametrize("name", PRINTS)
async def test_prints(sandbox: LocalSandbox, name: str) -> None:
    cells, expected = PRINTS[name]
    results = await run_cells(sandbox, *cells)
    assert (results[-1].stdout, results[-1].status) == (expected, "ok"), results[-1].stderr


@pytest.mark.parametrize("name", FAILS)
async def test_fails(sandbox: LocalSandbox, name: str) -> None:
    cells, expected = FAILS[name]
    last = (await run_cells(sandbox, *cells))[-1]
    assert last.status == "error"
    assert not last.state_lost
    assert expected in last.stderr
    assert "/factory/" not in last.stderr
    assert "repl.py" not in last.stderr


async def test_traceback_ends_in_the_library_and_hides_its_place(sandbox: LocalSandbox) -> None:
    (result,) = await run_cells(sandbox, "import sympy\nsympy.sqrt('a b')")
    lines = [line for line in result.stderr.splitlines() if "File" in line]
    assert len(lines) == 2
    assert 'File "sympy/core/sympify.py"' in lines[1]


async def test_warning_has_no_path(sandbox: LocalSandbox) -> None:
    (result,) = await run_cells(sandbox, "import numpy as np\nnp.sqrt(np.array([-1.0]))")
    assert result.stderr == "<cell 1>:2: RuntimeWarning: invalid value encountered in sqrt\n"


async def test_sessions_do_not_share_state(sandbox: LocalSandbox) -> None:
    first, second = await sandbox.open(), await sandbox.open()
    assert (await first.run("x = 1")).status == "ok"
    assert "NameError" in (await second.run("x")).stderr
    await first.close()
    await second.close()


async def test_random_state_follows_from_the_seed(sandbox: LocalSandbox) -> None:
    code = "import random, numpy, sympy\nrandom.random(), numpy.random.rand(), sympy.core.random.random()"
    outputs = []
    for seed in (1, 1, 2):
        session = await sandbox.open(seed=seed)
        outputs.append((await session.run(code)).stdout)
        await session.close()
    assert outputs[0] == outputs[1] != outputs[2]


async def test_order_of_strings_is_the_same_in_every_session(sandbox: LocalSandbox) -> None:
    code = "print({str(i) for i in range(50)})"
    first, second = await run_cells(sandbox, code), await run_cells(sandbox, code)
    assert first[0].stdout == second[0].stdout
