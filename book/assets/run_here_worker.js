// Python for one exercise page, in a thread of its own so that an endless loop can be ended with it.
// Messages in: {start: settings}, {run: code, id}. Out: {progress}, {ready}, {id, output: {mime: data}}, {id, done, error}.
"use strict";
let python;
let current = null;
const say = (message) => postMessage(message);

const SETUP = `
import ast, linecache, sys, traceback, types

sys.path.insert(0, "/course")

def _module(name, **members):
    module = types.ModuleType(name)
    vars(module).update(members)
    sys.modules[name] = module
    return module

class _Shown:
    """Stands for IPython's display objects, of which a page needs the text alone."""
    def __init__(self, data=None, **_):
        self.data = data

class _Html(_Shown):
    def _repr_html_(self):
        return self.data

class _Markdown(_Shown):
    def __repr__(self):
        return self.data

def _bundle(value):
    if isinstance(value, dict) and "text/plain" in value:
        return {k: v for k, v in value.items() if isinstance(v, (str, bytes))}
    html = getattr(value, "_repr_html_", None)
    html = html() if callable(html) and not isinstance(value, type) else None
    return {"text/plain": repr(value), **({"text/html": html} if html else {})}

def display(*values, raw=False, **_):
    for value in values:
        bundle = _bundle(value)
        if isinstance(bundle.get("image/png"), bytes):
            import base64
            bundle["image/png"] = base64.b64encode(bundle["image/png"]).decode()
        _send(bundle)

# Enough of IPython for what the course's own code asks of it; the real one would take longer to load than to use.
_module("IPython", get_ipython=lambda: None, display=_module(
    "IPython.display", display=display, HTML=_Html, Markdown=_Markdown))

def run_cell(source, name):
    """Run a cell as a notebook would: its last expression is shown, an exception is told without our own frames."""
    import __main__
    filename = f"<{name}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    try:
        tree = ast.parse(source, filename)
        last = ast.Expression(tree.body.pop().value) if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, filename, "exec"), vars(__main__))
        if last is not None:
            value = eval(compile(last, filename, "eval"), vars(__main__))
            if value is not None:
                display(value)
        _figures()
    except BaseException as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith("<")]
        head = ["Traceback (most recent call last):\\n", *traceback.format_list(frames[-6:])] if frames else []
        return "".join([*head, *traceback.format_exception_only(error)])

def _figures():
    if "matplotlib.pyplot" not in sys.modules:
        return
    import base64, io
    plt = sys.modules["matplotlib.pyplot"]
    for number in plt.get_fignums():
        buffer = io.BytesIO()
        plt.figure(number).savefig(buffer, format="png", bbox_inches="tight")
        _send({"image/png": base64.b64encode(buffer.getvalue()).decode(), "text/plain": "a figure"})
    plt.close("all")

import os
os.environ["MPLBACKEND"] = "Agg"
import coursework.check
coursework.check._display = display

# Python in a browser counts in 32 bits, where these refuse the 64-bit whole numbers that they take everywhere else.
import functools, numpy

def _index(value):
    return numpy.asarray(value).astype(numpy.intp) if getattr(value, "dtype", None) == numpy.int64 else value

def _taking_any_index(bincount, repeat):
    @functools.wraps(bincount)
    def bincount_(x, /, *rest, **named):
        return bincount(_index(x), *rest, **named)
    @functools.wraps(repeat)
    def repeat_(a, repeats, axis=None):
        return repeat(a, _index(repeats), axis)
    return bincount_, repeat_

numpy.bincount, numpy.repeat = _taking_any_index(numpy.bincount, numpy.repeat)
`;

async function start({ pyodide, archive, packages }) {
  say({ progress: `Fetching ${["Python", ...packages].join(", ")} …` });
  const course = fetch(archive).then((response) => {
    if (!response.ok) throw new Error(`${archive}: ${response.status}`);
    return response.arrayBuffer();
  });
  importScripts(`${pyodide}pyodide.js`);
  python = await loadPyodide({
    indexURL: pyodide,
    packages, // fetched while Python starts
    stdout: (text) => say({ id: current, output: { "text/plain": text } }),
    stderr: (text) => say({ id: current, output: { "text/stderr": text } }),
  });
  python.unpackArchive(await course, "zip", { extractDir: "/course" });
  python.globals.set("_send", (bundle) => {
    say({ id: current, output: bundle.toJs({ dict_converter: Object.fromEntries }) });
  });
  python.runPython(SETUP);
  say({ ready: true });
}

onmessage = async ({ data }) => {
  try {
    if (data.start) return await start(data.start);
    current = data.id;
    const error = python.globals.get("run_cell")(data.run, data.id);
    say({ id: data.id, done: true, error });
  } catch (error) {
    say(data.start ? { failed: String(error.message || error) } : { id: data.id, done: true, error: String(error) });
  }
};
