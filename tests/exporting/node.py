"""Expressions of JavaScript, evaluated by node."""

import json
import shutil
import subprocess

import pytest

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="there is no node")

PLAIN = """
const plain = v => typeof v === "number"
  ? (Number.isFinite(v) && !Object.is(v, -0) ? v : Object.is(v, -0) ? "-0" : String(v))
  : ArrayBuffer.isView(v) || Array.isArray(v) ? Array.from(v, plain)
  : v && typeof v === "object"
  ? Object.fromEntries(Object.entries(v).map(([k, e]) => [k, plain(e)])) : v;
"""


def in_node(code, expression):
    """Return what an expression gives, as plain data; -0, inf and NaN are texts."""
    whole = f"{code}\n{PLAIN}console.log(JSON.stringify(plain({expression})));"
    command = [NODE, "--input-type=module", "-"]
    done = subprocess.run(command, input=whole, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def of_module(file):
    """Return the line that imports an exported module."""
    return f"import * as f from {json.dumps(file.as_uri())};"


def of_wasm(file):
    """Return the lines that load an exported WebAssembly module."""
    return f"""import fs from "fs";
import {{load}} from {json.dumps(file.with_suffix(".mjs").as_uri())};
const f = await load(fs.readFileSync({json.dumps(str(file))}));"""
