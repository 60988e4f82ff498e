// What a page does beyond being read: colours, track, search, quizzes, copying. Everything else works without this file.
// What a reader chooses or answers is kept in localStorage under "course:…" and goes nowhere else.
const root = document.documentElement;
const all = (selector, from = document) => [...from.querySelectorAll(selector)];
const make = (tag, attributes = {}, ...inside) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...inside);
  return node;
};
const store = {
  get(key) { try { return localStorage.getItem(`course:${key}`); } catch { return null; } },
  set(key, value) { try { value === null ? localStorage.removeItem(`course:${key}`) : localStorage.setItem(`course:${key}`, value); } catch { /* private window: chosen for this page only */ } },
};

// Colours: as the system, light, dark.
const schemes = ["system", "light", "dark"];
const schemeButton = document.querySelector(".scheme-button");
const showScheme = (name) => {
  if (name === "system") delete root.dataset.scheme; else root.dataset.scheme = name;
  schemeButton.setAttribute("aria-label", `Colours: ${name === "system" ? "as the system" : name}`);
  schemeButton.title = schemeButton.getAttribute("aria-label");
};
showScheme(root.dataset.scheme ?? "system");
schemeButton.addEventListener("click", () => {
  const next = schemes[(schemes.indexOf(root.dataset.scheme ?? "system") + 1) % schemes.length];
  store.set("scheme", next === "system" ? null : next);
  showScheme(next);
});

// Track: previous and next follow it, chapters of the other one step back.
for (const choice of all(".track-choice input")) {
  choice.checked = choice.value === (root.dataset.track ?? "AB");
  choice.addEventListener("change", () => {
    store.set("track", choice.value === "AB" ? null : choice.value);
    if (choice.value === "AB") delete root.dataset.track; else root.dataset.track = choice.value;
  });
}

// The contents: on a wide screen the present page is in sight.
const present = document.querySelector(".contents [aria-current]");
const contents = document.getElementById("contents");
if (present && matchMedia("(min-width: 64rem)").matches) {
  requestAnimationFrame(() => { contents.scrollTop = Math.max(0, present.offsetTop - contents.clientHeight / 2); });
}

// On this page: where one is.
const headings = new Map(all(".on-page a[href^='#']").map((link) => [link.getAttribute("href").slice(1), link]));
if (headings.size) {
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const link of headings.values()) link.classList.remove("here");
      headings.get(entry.target.id)?.classList.add("here");
    }
  }, { rootMargin: "-10% 0px -80% 0px" });
  for (const id of headings.keys()) { const part = document.getElementById(id); if (part) seen.observe(part); }
}

// What comes near the screen: what scrolls sideways can be reached by keyboard, and code can be copied.
const met = new Set();
const reach = (boxes) => {
  const wide = boxes.map((box) => box.scrollWidth > box.clientWidth && getComputedStyle(box).overflowX === "auto");
  boxes.forEach((box, number) => { // all is read before anything is written, so that the page is laid out once
    if (wide[number]) {
      box.tabIndex = 0;
      box.setAttribute("role", "group");
      box.setAttribute("aria-label", box.matches("pre") ? "Code or output, scrolls sideways" : "Scrolls sideways");
    } else if (box.hasAttribute("tabindex")) {
      for (const name of ["tabindex", "role", "aria-label"]) box.removeAttribute(name);
    }
  });
};
const offerCopy = (code) => {
  const box = code.parentElement;
  const button = make("button", { type: "button", class: "copy" }, "Copy");
  box.classList.add("codebox");
  box.classList.toggle("long", code.textContent.split("\n").length > 4);
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  box.append(button);
};
const near = new IntersectionObserver((entries) => {
  const boxes = entries.filter((entry) => entry.isIntersecting).map((entry) => entry.target);
  for (const box of boxes) { near.unobserve(box); met.add(box); }
  reach(boxes);
  for (const box of boxes) if (box.matches(".highlight > pre")) offerCopy(box);
}, { rootMargin: "300px 0px" });
for (const box of all("article pre, .table-box, .cell_output, .output, .formula, .long-formula")) near.observe(box);
addEventListener("resize", () => reach([...met]));
document.fonts.addEventListener("loadingdone", () => reach([...met])); // another font, another width

// The fonts of formulas and of emphasis further down are fetched and put to use once the page is there, before anybody
// scrolls to them.
addEventListener("load", () => (window.requestIdleCallback ?? setTimeout)(async () => {
  const wanted = [["math", '1em "Course Math"'], ["em", 'italic 1em "Course Sans"']].filter(([name]) => document.querySelector(name));
  await Promise.allSettled(wanted.map(([, font]) => document.fonts.load(font)));
  root.classList.add("late");
}));

// Quizzes: the first choice that is opened is the answer. Marks and the tally are kept, and can be taken back.
const questions = all(".quiz-question");
if (questions.length) {
  const key = `quiz:${location.pathname.split("/").slice(-2).join("/")}`;
  let opened = {};
  try { opened = JSON.parse(store.get(key)) ?? {}; } catch { /* somebody else's text under our key */ }
  const said = make("p", { role: "status" });
  const again = make("button", { type: "button", class: "quiet" }, "Forget my answers");
  const tally = make("div", { class: "tally" }, said, again);
  const choices = new Map(questions.map((question) => [question.dataset.question, all(".quiz-choice", question)]));
  const mark = (choice, on) => {
    choice.classList.toggle("met", on);
    choice.querySelector("summary .said")?.remove();
    if (on) choice.querySelector("summary").append(make("span", { class: "said" }, choice.classList.contains("right") ? " (right)" : " (wrong)"));
  };
  const show = (verdict = "") => {
    const answered = Object.values(opened).filter((each) => each.length).length;
    const right = Object.entries(opened).filter(([question, [first]]) => choices.get(question)?.[first]?.classList.contains("right")).length;
    said.textContent = answered ? `${verdict}${right} of ${answered} right at the first try, ${questions.length - answered} to go.` : "Your answers stay in this browser.";
    again.hidden = !answered;
  };
  for (const [question, list] of choices) {
    for (const [number, choice] of list.entries()) {
      if (opened[question]?.includes(number)) mark(choice, true);
      choice.addEventListener("toggle", () => {
        if (!choice.open || opened[question]?.includes(number)) return;
        (opened[question] ??= []).push(number);
        store.set(key, JSON.stringify(opened));
        mark(choice, true);
        show(choice.classList.contains("right") ? "Right. " : "Not this one. ");
      });
    }
  }
  again.addEventListener("click", () => {
    opened = {};
    store.set(key, null);
    for (const choice of [...choices.values()].flat()) { choice.open = false; mark(choice, false); }
    show();
    questions[0].querySelector("summary").focus();
  });
  questions.at(-1).after(tally);
  show();
}

// The map: what a chapter leans on, and what leans on it. Listened for around the drawing: a browser lets Tab stop at every
// shape that listens for the focus itself.
const drawn = document.querySelector(".map-picture")?.parentElement;
for (const [event, on] of [["pointerover", true], ["pointerout", false], ["focusin", true], ["focusout", false]]) {
  drawn?.addEventListener(event, ({ target }) => {
    const chapter = target.closest(".map-chapter")?.dataset.id;
    if (chapter) for (const line of all(`.map-needs [data-from="${chapter}"], .map-needs [data-to="${chapter}"]`)) line.classList.toggle("lit", on);
  });
}

// Search: nothing is loaded before somebody searches.
const base = new URL(root.dataset.root || "./", location.href);
const searcher = () => {
  const field = make("input", { class: "search-field", type: "search", "aria-label": "Search the course", placeholder: "A method, a function, a mistake …", autocomplete: "off", spellcheck: "false" });
  const status = make("p", { class: "search-status", role: "status" });
  const results = make("ol", { class: "search-results" });
  let engine, latest = 0;
  const load = () => (engine ??= import(new URL("_static/search/pagefind.js", base)));
  field.addEventListener("focus", load, { once: true });
  field.addEventListener("input", async () => {
    const turn = (latest += 1);
    const words = field.value.trim();
    if (!words) { status.textContent = ""; results.replaceChildren(); return; }
    try {
      const found = await (await load()).debouncedSearch(words, {}, 120);
      if (!found || turn !== latest) return;
      const pages = await Promise.all(found.results.slice(0, 12).map((each) => each.data()));
      if (turn !== latest) return;
      status.textContent = found.results.length ? `${found.results.length} page${found.results.length > 1 ? "s" : ""}` : `Nothing has “${words}”. Try one word less.`;
      results.replaceChildren(...pages.map((page) => {
        const parts = page.sub_results.filter((part) => part.url.includes("#"));
        const best = parts.sort((a, b) => b.weighted_locations.length - a.weighted_locations.length)[0];
        const hit = best ?? page;
        const kind = page.url.includes("/exercises/") ? "Exercise" : page.url.includes("/notebooks/") ? "Lesson" : "Page";
        const link = make("a", { href: new URL(hit.url.replace(/^\//, ""), base) }, page.meta.title);
        const text = make("p");
        text.innerHTML = hit.excerpt; // Pagefind's own, escaped but for <mark>
        const where = best && best.title !== page.meta.title ? `${kind} · ${best.title}` : kind;
        return make("li", {}, link, make("div", { class: "where" }, where), text);
      }));
    } catch {
      status.textContent = "The search index could not be loaded. Look in the contents.";
    }
  });
  return [field, status, results];
};
const here = document.querySelector(".search-here");
const searchButton = document.querySelector(".search-button");
if (here) {
  here.append(...searcher());
  searchButton.addEventListener("click", (event) => { event.preventDefault(); here.querySelector("input").focus(); });
} else {
  let box;
  const open = (event) => {
    event.preventDefault();
    if (!box) {
      box = make("dialog", { class: "search-box", "aria-label": "Search" }, ...searcher());
      box.addEventListener("click", (click) => { if (click.target === box) box.close(); });
      // Escape would only empty the field first.
      box.addEventListener("keydown", (key) => { if (key.key === "Escape") { key.preventDefault(); box.close(); } });
      document.body.append(box);
    }
    box.showModal();
    box.querySelector("input").select();
  };
  searchButton.addEventListener("click", (event) => { if (!event.ctrlKey && !event.metaKey) open(event); });
  addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
    if ((event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) || (event.key === "k" && (event.ctrlKey || event.metaKey))) open(event);
  });
}
