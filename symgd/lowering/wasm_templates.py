"""The loader of a WebAssembly module: what it imports, how its kernels are called."""

# Rounded once, as hardware does: Boldo and Melquiond 2008, "Emulation of FMA and
# correctly rounded sums: proved algorithms using rounding to odd", algorithm 5.
# Where a part might over- or underflow, in whole numbers.
FMA = """\
const word = new DataView(new ArrayBuffer(8));
function partsOf(x) {
  word.setFloat64(0, x);
  const bits = word.getBigUint64(0), exponent = Number(bits >> 52n & 2047n);
  const part = bits & 0xfffffffffffffn, size = exponent ? part | 1n << 52n : part;
  return [bits >> 63n ? -size : size, Math.max(exponent, 1) - 1075];
}
function fmaInWholeNumbers(a, b, c) {
  const [x, i] = partsOf(a), [y, j] = partsOf(b), [z, l] = partsOf(c);
  const low = Math.min(i + j, l);
  let total = (x*y << BigInt(i + j - low)) + (z << BigInt(l - low));
  if (total === 0n) return a*b + c;
  const below = total < 0n, size = below ? -total : total;
  const length = size.toString(2).length;
  // Keep what fits, and of the rest whether there is any.
  const exponent = Math.max(low + length - 53, -1074), cut = exponent - low;
  let kept = size;
  if (cut > 0) {
    const unit = 1n << BigInt(cut), rest = size & (unit - 1n), half = unit >> 1n;
    kept = size >> BigInt(cut);
    if (rest > half || (rest === half && kept & 1n)) kept += 1n;
  } else kept = size << BigInt(-cut);
  const half = Math.trunc(exponent/2);
  const result = Number(kept)*2**half*2**(exponent - half);
  return below ? -result : result;
}
const number = new Float64Array(1), halves = new Uint32Array(number.buffer);
const SPLIT = 134217729; // 2**27 + 1
function usual(x) { return x > 1e-140 && x < 1e140; }
function fma(a, b, c) {
  if (!Number.isFinite(a) || !Number.isFinite(b) || !Number.isFinite(c)) return a*b + c;
  if (a === 0 || b === 0) return a*b + c;
  const p = a*b;
  if (!usual(Math.abs(a)) || !usual(Math.abs(b)) || !usual(Math.abs(p))
      || (c !== 0 && !usual(Math.abs(c)))) return fmaInWholeNumbers(a, b, c);
  if (c === 0) return p;
  // a*b is p + q, c + q is t + u, p + t is v + w, all exactly; then v + (w + u).
  const ka = SPLIT*a, ah = ka - (ka - a), al = a - ah;
  const kb = SPLIT*b, bh = kb - (kb - b), bl = b - bh;
  const q = al*bl - (((p - ah*bh) - al*bh) - ah*bl);
  const t = c + q, tc = t - c, u = (c - (t - tc)) + (q - tc);
  const v = p + t, vp = v - p, w = (p - (v - vp)) + (t - vp);
  // w + u, rounded to an odd last bit where it isn't exact.
  let s = w + u;
  const sw = s - w, rest = (w - (s - sw)) + (u - sw);
  if (rest !== 0) {
    number[0] = s;
    if (!(halves[0] & 1)) {
      if (rest > 0 === s > 0) halves[0] += 1;
      else if (halves[0]-- === 0) halves[1] -= 1;
      s = number[0];
    }
  }
  return v + s;
}
"""

LOADER = """\
// Load the bytes of the module, such as await (await fetch("f.wasm")).arrayBuffer().
export async function load(bytes@data@) {
  let top = START/8;
  const room = count => { const place = top; top += Math.max(1, count); return place; };
  const n = variables.length, places = {
    x: room(n), v: room(n), p: room(CONSTANTS), g: room(n), h: room(n*n),
    lower: room(n), upper: room(n), rows: room(1),
    slots: room(width*n), other: room(width*n + n + 1),
    hyper: room(hyperparameters.length), memory: room(MEMORY), matrices: room(MATRICES),
    record: room(RECORD_WORDS), arrays: room(ARRAYS_WORDS),
  };
@rooms@  const memory = new WebAssembly.Memory({initial: Math.ceil(8*top/65536)});
  const {buffer} = memory, bytesOf = new Uint8Array(buffer);
  const numbers = new Float64Array(buffer), words = new BigInt64Array(buffer);
  const table = new WebAssembly.Table({initial: 128, element: "anyfunc"});
  const env = {
    __linear_memory: memory, __indirect_function_table: table,
    __stack_pointer: new WebAssembly.Global({value: "i32", mutable: true}, START),
    fma, fmod: remainder, tgamma: gamma, lgamma: logGamma, sqrt: Math.sqrt,
    sin: Math.sin, cos: Math.cos, tan: Math.tan, floor: Math.floor, fabs: Math.abs,
    memset: (to, byte, count) => { bytesOf.fill(byte, to, to + count); return to; },
    memcpy: (to, at, count) => { bytesOf.copyWithin(to, at, at + count); return to; },
    memmove: (to, at, count) => { bytesOf.copyWithin(to, at, at + count); return to; },
  };
  const {instance} = await WebAssembly.instantiate(bytes, {env});
  const kernel = instance.exports;
  const address = Object.fromEntries(Object.entries(places).map(([k, v]) => [k, 8*v]));
@filled@  const put = (name, values) => numbers.set(values, places[name]);
  const got = (name, count) => numbers.slice(places[name], places[name] + count);
  const evaluated = (x, given) => {
    put("x", x);
    put("p", taken(parameters, parameterValues, given));
    return kernel.@p@_evaluation(address.x, address.p, address.g);
  };
  const value = (x, given = {}) => evaluated(x, given);
  const gradient = (x, given = {}) => { evaluated(x, given); return got("g", n); };
@hessian@@hessp@@method@  return {@offered@};
}
function taken(names, values, given) {
  const result = Float64Array.from(values), known = names.join(", ");
  for (const [name, value] of Object.entries(given)) {
    if (!names.includes(name)) throw new Error(`unknown name ${name}: ${known}`);
    result[names.indexOf(name)] = value;
  }
  return result;
}
const STATUS = {"-1": "MAXITER", 0: "CONVERGED", 2: "ABNORMAL", 5: "DIVERGED"};
"""

# The data of a formula of arrays.
ROOMS = """\
  const [columns, rows] = columnsOf(data);
  for (const [name, {byteLength}] of Object.entries(columns))
    places[`data.${name}`] = room(Math.ceil(byteLength/8));
  places.stop = room(1);
"""
FILLED = """\
  for (const [name, column] of Object.entries(columns))
    new column.constructor(buffer, address[`data.${name}`], column.length).set(column);
  for (const [place, what] of WORDS) {
    const [kind, name] = Array.isArray(what) ? what : ["number", what];
    const own = {number: name, rows: rows[name], stop: address.stop};
    words[places.p + place] = BigInt(own[kind] ?? address[`data.${name}`]);
  }
"""

HESSIAN = """\
  const hessian = (x, given = {}) => {
    put("x", x);
    put("p", taken(parameters, parameterValues, given));
    numbers.fill(0, places.h, places.h + n*n);
    kernel.@p@_second(address.x, address.p, address.h);
    return got("h", n*n);
  };
"""
HESSP = """\
  const hessp = (x, v, given = {}) => {
    put("x", x);
    put("v", v);
    put("p", taken(parameters, parameterValues, given));
    kernel.@p@_along(address.x, address.p, address.g, address.v);
    return got("g", n);
  };
"""

# Fields of the record that is at places.record: whole numbers are BigInts.
RECORD = """\
  const field = (name, value) => {
    const place = places.record + RECORD[name];
    if (typeof value === "bigint") words[place] = value;
    else if (value !== undefined) numbers[place] = value;
    return ["t", "evaluations"].includes(name) ? Number(words[place]) : numbers[place];
  };
  const begun = (gtol, p) => {
    words.fill(0n, places.record, places.record + RECORD_WORDS);
    field("t", -1n); field("pending", 1n); field("gtol", gtol);
    field("target", -Infinity); field("best", Infinity); field("reach", 1);
    field("variables", BigInt(n)); field("parameters", BigInt(CONSTANTS));
    put("p", taken(parameters, parameterValues, p));
  };
"""

RULE = """\
  const minimize = (x, {maxiter = 10000, gtol = 1e-8, parameters: p = {},
                        hyperparameters: h = {}} = {}) => {
    begun(gtol, p);
    put("hyper", taken(hyperparameters, hyperparameterValues, h));
    numbers.fill(0, places.slots, places.slots + width*n);
    numbers.fill(0, places.g, places.g + n);
    put("lower", LOWER);
    put("upper", UPPER);
    put("slots", x);
@inside@    const {record, slots, other, g, hyper, lower, upper, rows} = address;
    const go = last => {
      field("last", BigInt(last));
      const given = [record, slots, other, g, hyper, address.p, lower, upper, rows];
      return Number(kernel.@p@_loop(...given));
    };
    let status = go(0);
@first@    if (status === -1) status = go(maxiter);
    const t = field("t"), f = t < 0 ? numbers[places.other + width*n] : field("value");
    return {x: got("slots", n), f, gradient: got("g", n), norm: field("norm"),
            t: Math.max(t, 0), status: STATUS[status]};
  };
"""
INSIDE = """\
    const start = numbers.subarray(places.slots, places.slots + n);
    inside(start, start);
"""
FIRST = """\
    if (status !== 5) {
      const start = got("slots", n), fg = [field("value"), ...got("g", n)];
      start.forEach((v, k) => { numbers[places.slots + k*width] = v; });
      put("other", fg);
      kernel.@p@_initial(1n, 0n, slots, other, hyper);
      const after = got("slots", width*n);
      after.forEach((v, i) => {
        numbers[places.slots + (i % width)*n + Math.floor(i/width)] = v;
      });
      begun(gtol, p);
      status = go(0);
    }
"""

SOLVER = """\
  table.set(100, kernel.@p@_evaluation);
@second@  const minimize = (x, {maxiter = 10000, gtol = 1e-8, bounds = [],
                        parameters: p = {}} = {}) => {
    begun(gtol, p);
    for (let k = 0; k < n; k++) {
      const [low, high] = bounds[k] ?? [];
      numbers[places.lower + k] = low ?? -Infinity;
      numbers[places.upper + k] = high ?? Infinity;
      const within = Math.max(x[k], low ?? -Infinity);
      numbers[places.slots + k] = Math.min(within, high ?? Infinity);
    }
    const arrays = {
      function: 100, hessian: @hessian_at@, x: address.slots, gradient: address.g,
      constants: address.p, lower: address.lower, upper: address.upper,
      memory: address.memory, matrices: address.matrices, trace: address.rows,
    };
    for (const [name, at] of Object.entries(arrays))
      words[places.arrays + ARRAYS[name]] = BigInt(at);
    let stage = 0, status = -1, end = STAGES[0];
    while (status === -1 && field("t") < maxiter) {
      if (stage + 1 < STAGES.length && field("t") >= end) {
        stage++;
        end = field("t") + STAGES[stage];
        field("newton", BigInt(stage % 2));
        field("pairs", 0n); field("idle", 0n); field("reach", 1);
        field("deepest", field("value"));
      }
      const last = stage + 1 < STAGES.length ? Math.min(end, maxiter) : maxiter;
      field("last", BigInt(last));
      status = Number(kernel.@p@_loop(address.record, address.arrays));
      if (status === 2 && stage === 0 && STAGES.length > 1) {
        end = field("t"); // Newton's method may still find a step
        status = -1;
      }
    }
    return {x: got("slots", n), f: field("value"), gradient: got("g", n),
            norm: field("norm"), t: field("t"), evaluations: field("evaluations"),
            status: STATUS[status]};
  };
"""
