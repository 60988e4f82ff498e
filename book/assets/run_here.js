// An exercise page that runs: "Run here" turns its cells into editors over a Python in the reader's own browser.
// What is written is kept in this browser, and can be downloaded as a notebook that the grader takes.
"use strict";
(() => {
  const box = document.querySelector(".run-here[data-settings]");
  if (!box) return;
  if (!window.Worker || !window.WebAssembly) {
    box.querySelector("[role=status]").textContent = "This browser cannot: use Binder or a clone.";
    return;
  }
  const settings = JSON.parse(box.dataset.settings);
  const absolute = (address) => new URL(address, document.baseURI).href;
  const pyodide = absolute(settings.pyodide);
  const KEY = `coursework.run.${settings.exercise}`;

  const make = (name, attributes = {}, ...children) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };
  const button = (label, action, attributes = {}) => {
    const element = make("button", { type: "button", ...attributes }, label);
    element.addEventListener("click", action);
    return element;
  };
  const text = (source) => (Array.isArray(source) ? source.join("") : source);

  // What the reader has written: cell id -> source. A browser may refuse to keep it; then it lasts as long as the page.
  let kept = {};
  try { kept = JSON.parse(localStorage.getItem(KEY)) || {}; } catch { /* as above */ }
  const keep = () => { try { localStorage.setItem(KEY, JSON.stringify(kept)); } catch { /* as above */ } };

  const status = box.querySelector("[role=status]");
  const run = box.querySelector(".run-primary");
  if (Object.keys(kept).length) run.textContent = "Run here, with what you wrote";
  run.addEventListener("click", () => begin());

  // What the site itself has is fetched ahead, once a click is likely; anybody else is asked after it alone.
  let ahead = () => {
    ahead = () => {};
    if (!settings.files || navigator.connection?.saveData) return;
    const pythons = settings.files.map((name) => settings.pyodide + name);
    for (const address of [settings.notebook, settings.worker, settings.archive, ...pythons]) {
      document.head.append(make("link", { rel: "prefetch", href: absolute(address) }));
    }
  };
  let resting;
  run.addEventListener("pointerenter", () => { resting = setTimeout(() => ahead(), 150); });
  run.addEventListener("pointerleave", () => clearTimeout(resting));

  let notebook;
  let cells = [];
  let worker = null;
  let ready = null;
  const waiting = new Map();

  async function begin() {
    run.disabled = true;
    status.textContent = "Fetching the exercise …";
    try {
      boot().catch(() => {}); // starts beside the exercise's way here; it is waited for below
      const response = await fetch(absolute(settings.notebook));
      if (!response.ok) throw new Error(`the exercise could not be fetched (${response.status})`);
      notebook = await response.json();
      if (!cells.length) cells = editors();
      await ready;
      box.replaceChildren(
        button("Run all", () => runFrom(0)),
        button("Stop", stop),
        button("Download my notebook", download),
        button("Start over", startOver),
        make("span", { class: "run-about" }, "Shift+Enter runs a cell. What you write stays in this browser."),
        status,
      );
      await runFrom(0);
      status.textContent = "Ready.";
    } catch (error) {
      worker?.terminate();
      worker = null;
      run.disabled = false;
      status.textContent = `Python did not start: ${error.message || error}. Try again, or use Binder or a clone.`;
    }
  }

  function editors() {
    const shown = [...document.querySelectorAll("article div.cell, main div.cell")].filter((cell) => cell.querySelector(".cell_input"));
    const code = notebook.cells.filter((cell) => cell.cell_type === "code"
      && !(cell.metadata.tags || []).some((tag) => ["remove-cell", "remove-input", "remove_cell"].includes(tag)));
    const unique = [...new Set(shown)];
    if (unique.length !== code.length) throw new Error("the page and its notebook differ");
    return code.map((cell, n) => editor(cell, unique[n]));
  }

  function editor(cell, place) {
    const tags = cell.metadata.tags || [];
    const given = text(cell.source);
    const area = make("textarea", { spellcheck: "false", autocapitalize: "off", autocomplete: "off", wrap: "off",
      "aria-label": tags.includes("answer") ? `Your answer, ${cell.id}` : `Code, ${cell.id}` });
    area.value = kept[cell.id] ?? given;
    const output = make("div", { class: "run-output", "aria-live": "polite" });
    const one = { id: cell.id, tags, given, area, output };
    const fit = () => { area.rows = area.value.split("\n").length + (tags.includes("answer") ? 1 : 0); };
    area.addEventListener("input", () => {
      fit();
      if (area.value === given) delete kept[cell.id]; else kept[cell.id] = area.value;
      keep();
    });
    area.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.shiftKey || event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        runOne(one);
      } else if (event.key === "Tab" && !event.shiftKey && !one.leaving) {
        event.preventDefault();
        area.setRangeText("    ", area.selectionStart, area.selectionEnd, "end");
        area.dispatchEvent(new Event("input"));
      } else {
        one.leaving = event.key === "Escape"; // after Escape, Tab leaves the editor
      }
    });
    fit();
    const label = tags.includes("answer") ? "Run and check" : "Run";
    const tools = make("div", { class: "run-tools" }, button(label, () => runOne(one), { "aria-label": `${label}: ${cell.id}` }));
    const question = tags.includes("check") && /check\(\s*["'](\w+)["']/.exec(given);
    if (question) tools.append(button("Hint", () => hint(one, question[1]), { "aria-label": `Hint for ${question[1]}` }));
    place.replaceChildren(make("div", { class: "run-cell" }, area, tools, output));
    return one;
  }

  function boot() {
    worker = new Worker(absolute(settings.worker));
    ready = new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => {
        if (data.progress) status.textContent = data.progress;
        else if (data.ready) resolve();
        else if (data.failed) reject(new Error(data.failed));
        else if (data.output) waiting.get(data.id)?.show(data.output);
        else if (data.done) waiting.get(data.id)?.finish(data.error);
      };
      worker.onerror = (event) => reject(new Error(event.message || "its files could not be fetched"));
    });
    worker.postMessage({ start: { pyodide, archive: absolute(settings.archive), packages: settings.packages } });
    return ready;
  }

  let calls = 0;
  async function execute(code, name, output) {
    await ready;
    const id = `${name} ${++calls}`;
    return new Promise((resolve) => {
      waiting.set(id, {
        show: (bundle) => output.append(rendered(bundle)),
        finish: (error) => {
          waiting.delete(id);
          if (error) output.append(make("pre", { class: "run-error" }, error));
          resolve(!error);
        },
      });
      worker.postMessage({ run: code, id });
    });
  }

  function rendered(bundle) {
    if (bundle["text/html"]) {
      const shown = make("div", {});
      shown.innerHTML = bundle["text/html"]; // of the reader's own code, in their own page; scripts in it do not run
      return shown;
    }
    if (bundle["image/png"]) return make("img", { alt: bundle["text/plain"] || "a figure", src: `data:image/png;base64,${bundle["image/png"]}` });
    return make("pre", { class: bundle["text/stderr"] ? "run-error" : "" }, bundle["text/stderr"] ?? bundle["text/plain"] ?? "");
  }

  async function runCell(cell) {
    cell.output.replaceChildren();
    cell.output.classList.add("running");
    const fine = await execute(cell.area.value, cell.id, cell.output);
    cell.output.classList.remove("running");
    return fine;
  }

  // An answer is followed by its check, so that one key gives the verdict.
  async function runOne(cell) {
    if (!worker) await restart();
    await runCell(cell);
    if (!cell.tags.includes("answer")) return;
    const next = cells.slice(cells.indexOf(cell) + 1).find((other) => other.tags.includes("check"));
    if (next) await runCell(next);
  }

  async function runFrom(start) {
    if (!worker) await restart();
    for (const cell of cells.slice(start)) await runCell(cell);
  }

  async function hint(cell, question) {
    if (!worker) await restart();
    await execute(`check.hint("${question}")`, `hint-${question}`, cell.output);
  }

  function stop() {
    if (!worker) return;
    worker.terminate();
    worker = null;
    for (const { finish } of [...waiting.values()]) finish("Stopped. Python starts again with the next cell that you run.");
    status.textContent = "Stopped.";
  }

  // After a stop: a new Python, brought to where the answers begin.
  async function restart() {
    await boot();
    for (const cell of cells) {
      if (!cell.tags.includes("answer") && !cell.tags.includes("check")) await runCell(cell);
    }
    status.textContent = "Ready.";
  }

  function download() {
    const copy = structuredClone(notebook);
    for (const cell of copy.cells) {
      if (cell.cell_type !== "code") continue;
      if (kept[cell.id] !== undefined) cell.source = kept[cell.id];
      cell.outputs = [];
      cell.execution_count = null;
    }
    const file = new Blob([JSON.stringify(copy, null, 1)], { type: "application/x-ipynb+json" });
    const link = make("a", { href: URL.createObjectURL(file), download: `${settings.exercise.split("/").pop()}.ipynb` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  function startOver() {
    if (!confirm("Throw away what you wrote in this exercise?")) return;
    kept = {};
    keep();
    for (const cell of cells) {
      cell.area.value = cell.given;
      cell.area.dispatchEvent(new Event("input"));
      cell.output.replaceChildren();
    }
    runFrom(0);
  }
})();
