// The desk in a browser: one answer at a time, marked from the keyboard, every mark kept at once.
// What students wrote reaches the page as text only.
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const LETTERS = "asdfgh";
  const QUIET = 700; // milliseconds: after these a comment is kept, and a digit begins a new number
  let questions = [];
  let lines = [];
  let current = null; // the answer that is shown
  let names = false;
  let asked = 0; // which answer was asked for last: a slow reply to an earlier question is dropped
  let unsaved = new Map(); // id -> the mark that is still to be kept
  let sending = null;
  let timer = 0;
  let typed = { text: "", at: 0 };

  async function ask(path, query = {}, options = {}) {
    const words = new URLSearchParams({ ...query, names: names ? "1" : "0" });
    const reply = await fetch(`${path}?${words}`, options).catch(() => {
      throw new Error("the server does not answer. Is `coursework review` still running?");
    });
    const data = await reply.json();
    if (!reply.ok) throw new Error(data.error);
    return data;
  }

  const made = (tag, more = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), more);
    element.append(...children);
    return element;
  };
  const number = (value) => String(Math.round(value * 100) / 100);

  // ------------------------------------------------------------------------------------------------ keeping marks

  function say(words, bad = false) {
    $("saved").value = words;
    $("saved").classList.toggle("bad", bad);
  }

  function entered() {
    const text = $("points").value.trim().replace(",", ".");
    const points = text === "" ? null : Number(text);
    if (points !== null && !(points >= 0 && points < 1e6)) return null;
    const boxes = [...$("rubric").querySelectorAll("input")];
    return { id: current.id, points, ticks: boxes.length ? boxes.map((box) => box.checked) : null, comment: $("comment").value };
  }

  function same(mark) {
    return mark.points === current.by_hand && mark.comment.trim() === current.comment.trim()
      && JSON.stringify(mark.ticks ?? []) === JSON.stringify(current.ticks);
  }

  // Note what stands in the fields; `soon` waits until the writer pauses.
  function changed(soon = false) {
    if (!current) return;
    const mark = entered();
    $("points").setAttribute("aria-invalid", String(mark === null));
    if (mark === null) return say("Points are a number from 0 on", true);
    if (same(mark) && !unsaved.has(mark.id)) return;
    unsaved.set(mark.id, mark);
    clearTimeout(timer);
    if (soon) {
      say("…");
      timer = setTimeout(keep, QUIET);
    } else {
      keep();
    }
  }

  function keep() {
    clearTimeout(timer);
    sending ??= send().finally(() => (sending = null));
    return sending;
  }

  async function send() {
    if (!unsaved.size) return;
    say("Saving");
    let trouble = null;
    for (const [id, mark] of [...unsaved]) {
      try {
        const kept = await ask("mark", {}, {
          method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(mark), keepalive: true,
        });
        if (unsaved.get(id) === mark) unsaved.delete(id);
        took(kept);
      } catch (error) {
        trouble = error;
      }
    }
    if (trouble) {
      say(`Not saved: ${trouble.message}`, true);
      timer = setTimeout(keep, 3000);
    } else if (unsaved.size) {
      await send(); // what was entered meanwhile
    } else {
      say("Saved");
    }
  }

  // What the gradebook now says of an answer.
  function took(kept) {
    const line = lines.find((one) => one.id === kept.id);
    if (line) {
      Object.assign(line, { state: kept.state, kind: kept.kind, words: kept.words, points: kept.points });
      draw(line);
    }
    if (current?.id === kept.id) {
      current = kept;
      status();
    }
    counts();
  }

  addEventListener("beforeunload", (event) => {
    if (unsaved.size || sending) event.preventDefault();
  });
  addEventListener("pagehide", () => keep());

  // ------------------------------------------------------------------------------------------------------- showing

  async function loadQuestions() {
    questions = await ask("questions");
    const select = $("question");
    const groups = new Map();
    questions.forEach((one, i) => {
      if (!groups.has(one.title)) groups.set(one.title, select.appendChild(made("optgroup", { label: one.title })));
      const wait = one.waiting ? ` (${one.waiting} to mark)` : "";
      groups.get(one.title).append(made("option", { value: i, textContent: `${one.question}${wait}` }));
    });
    if (questions.length) select.value = 0;
  }

  async function loadList(id = null) {
    const one = questions[$("question").value];
    if (!one) return show(null);
    await keep();
    const query = { exercise: one.exercise, question: one.question, which: $("which").value, search: $("search").value };
    lines = await ask("answers", query);
    $("list").replaceChildren(...lines.map((line) => {
      line.button = made("button", { type: "button" }, made("span", { className: "s" }), made("bdi", { className: "name" }), made("span", { className: "got" }));
      line.button.addEventListener("click", () => show(line.id));
      draw(line);
      return made("li", {}, line.button);
    }));
    counts();
    const first = lines.find((line) => line.id === id) ?? lines.find((line) => line.state === "waiting") ?? lines[0];
    await show(first?.id ?? null, false);
  }

  function draw(line) {
    const [mark, name, got] = line.button.children;
    mark.className = `s ${line.kind}${line.state === "marked" ? " d" : ""}`;
    mark.title = line.words;
    mark.replaceChildren(made("span", { className: "said", textContent: line.words }));
    name.textContent = line.name;
    got.textContent = line.state === "waiting" ? "" : number(line.points);
  }

  function counts() {
    const waiting = lines.filter((line) => line.state === "waiting").length;
    $("count").textContent = `${lines.length} answer${lines.length === 1 ? "" : "s"}, ${waiting} waiting`;
  }

  async function show(id, focus = true) {
    if (current) changed();
    const turn = ++asked;
    const page = id === null ? null : await ask("answer", { id });
    if (turn !== asked) return;
    current = page;
    for (const line of lines) line.button.toggleAttribute("aria-current", line.id === id);
    $("main").hidden = $("marking").hidden = page === null;
    $("nothing").hidden = page !== null;
    if (page === null) return;
    lines.find((line) => line.id === id)?.button.scrollIntoView({ block: "nearest" });
    $("title").replaceChildren(made("bdi", { textContent: page.name }), `: ${page.question}`);
    $("asks").textContent = page.asks ? `Asked for: ${page.asks}` : "";
    const judged = page.prose ? [] : [["What happened", page.automatic.message], ["Called", page.call]];
    $("judged").replaceChildren(...judged.filter(([, text]) => text).flatMap(([label, text]) => [made("dt", { textContent: label }), made("dd", { textContent: text })]));
    $("text").textContent = page.text || "(what came out was not kept)";
    $("text").classList.toggle("code", !page.prose);
    $("flags").hidden = page.flags.length === 0;
    $("flags").replaceChildren(...page.flags.map((flag) => made("li", { textContent: flag })));
    fill();
    scrollTo(0, 0);
    if (focus) $("main").focus({ preventScroll: true });
  }

  function fill() {
    const waiting = unsaved.get(current.id);
    const points = waiting ? waiting.points : current.by_hand;
    const ticks = waiting?.ticks ?? current.ticks;
    $("rubric").hidden = current.rubric.length === 0;
    $("rubric").replaceChildren($("rubric").firstElementChild, ...current.rubric.map((one, i) => {
      const box = made("input", { type: "checkbox", checked: ticks[i] ?? false, ariaKeyShortcuts: LETTERS[i] ?? "" });
      box.addEventListener("change", added);
      const key = LETTERS[i] ? [made("kbd", { textContent: LETTERS[i], ariaHidden: "true" })] : [];
      return made("label", {}, box, made("span", { textContent: `${one.criterion} (${number(one.points)})` }), ...key);
    }));
    $("points").value = points === null ? "" : number(points);
    $("out-of").textContent = `of ${number(current.out_of)}`;
    $("comment").value = waiting ? waiting.comment : current.comment;
    const most = Math.min(Math.ceil(current.out_of), 12);
    $("digits").replaceChildren(...Array.from({ length: most + 1 }, (_, n) => {
      const button = made("button", { type: "button", textContent: n });
      button.addEventListener("click", () => give(String(n)));
      return button;
    }));
    typed = { text: "", at: 0 };
    status();
  }

  function status() {
    for (const button of $("digits").children) {
      button.setAttribute("aria-pressed", String($("points").value === button.textContent));
    }
    const { words, points } = current.automatic;
    const judged = points === null ? "The checks leave this to a person." : `The checks say: ${words}, ${number(points)} of ${number(current.out_of)}.`;
    $("automatic").textContent = current.by_hand !== null && current.by ? `${judged} Marked by ${current.by}.` : judged;
    $("back").disabled = current.by_hand === null && !current.comment && !current.ticks.some(Boolean);
  }

  // ------------------------------------------------------------------------------------------------------- marking

  function give(text) {
    $("points").value = text;
    changed();
    status();
  }

  function added() {
    const boxes = [...$("rubric").querySelectorAll("input")];
    give(number(boxes.reduce((sum, box, i) => sum + (box.checked ? current.rubric[i].points : 0), 0)));
  }

  // A digit is the points, or goes on with the number begun a moment ago if that is one that can be had.
  function digit(key) {
    const now = performance.now();
    const longer = typed.text + key;
    const goesOn = now - typed.at < QUIET && typed.text !== "" && (Number(longer) <= current.out_of || longer.includes("."));
    typed = { text: goesOn ? longer : key, at: now };
    if (typed.text !== "." && !typed.text.endsWith(".")) give(number(Number(typed.text)));
  }

  function step(by, wanted = () => true) {
    const at = lines.findIndex((line) => line.id === current?.id);
    for (let i = at + by; i >= 0 && i < lines.length; i += by) {
      if (wanted(lines[i])) return show(lines[i].id);
    }
    say(by > 0 ? "This is the last" : "This is the first");
  }

  function nextWaiting() {
    const at = lines.findIndex((line) => line.id === current?.id);
    const rest = [...lines.slice(at + 1), ...lines.slice(0, at + 1)];
    const next = rest.find((line) => line.state === "waiting" && !unsaved.has(line.id));
    if (next) show(next.id);
    else say("None waits");
  }

  async function toggleNames() {
    names = !names;
    $("names").setAttribute("aria-pressed", String(names));
    $("names").textContent = names ? "Hide names" : "Show names";
    await loadList(current?.id);
  }

  $("points").addEventListener("input", () => { changed(true); status(); });
  $("points").addEventListener("change", () => changed());
  $("comment").addEventListener("input", () => changed(true));
  $("comment").addEventListener("change", () => changed());
  $("previous").addEventListener("click", () => step(-1));
  $("next").addEventListener("click", () => step(1));
  $("back").addEventListener("click", () => {
    $("points").value = $("comment").value = "";
    for (const box of $("rubric").querySelectorAll("input")) box.checked = false;
    changed();
    status();
  });
  $("names").addEventListener("click", toggleNames);
  $("help").addEventListener("click", () => $("keys").showModal());
  $("question").addEventListener("change", () => loadList());
  $("which").addEventListener("change", () => loadList(current?.id));
  let searching = 0;
  $("search").addEventListener("input", () => {
    clearTimeout(searching);
    searching = setTimeout(() => loadList(current?.id), 200);
  });

  addEventListener("keydown", (event) => {
    const { key, target } = event;
    const writing = target.matches?.("textarea, select, input:not([type=checkbox])");
    if ($("keys").open || event.ctrlKey || event.metaKey || event.altKey) return;
    if (key === "Escape" && writing) {
      target.blur();
      $("main").focus({ preventScroll: true });
      return;
    }
    if (writing) return;
    const letter = LETTERS.indexOf(key);
    const boxes = $("rubric").querySelectorAll("input");
    if (key === "?") $("keys").showModal();
    else if (key === "/") $("search").focus();
    else if (key === "v") toggleNames();
    else if (!current) return;
    else if (key === "j") step(1);
    else if (key === "k") step(-1);
    else if (key === "n") nextWaiting();
    else if (key === "c") $("comment").focus();
    else if (/^[0-9.]$/.test(key)) digit(key);
    else if (letter >= 0 && boxes[letter]) boxes[letter].click();
    else return;
    event.preventDefault();
  });

  // Whatever was asked for and cannot be had is said.
  addEventListener("unhandledrejection", (event) => {
    say(event.reason.message, true);
    event.preventDefault();
  });
  loadQuestions().then(() => loadList());
})();
