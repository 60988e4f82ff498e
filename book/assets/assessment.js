// The self-assessment: turns its questions into answers, a track, a route and a picture. Keeps what it knows in this
// browser alone; nothing is sent anywhere.
"use strict";
(() => {
  const root = document.querySelector(".assessment");
  if (!root) return;
  const { parts, questions } = JSON.parse(root.querySelector(".assessment-data").textContent);
  const chapters = parts.flatMap((part) => part.chapters);
  chapters.forEach((chapter, i) => { chapter.number = i + 1; });
  const KEY = "coursework.assessment";
  const UNKNOWN = -1;

  const make = (name, attributes = {}, ...children) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };
  const TRACKS = {
    A: () => ["A, machine learning ", make("em", {}, "engineer")],
    B: () => ["B, ", make("em", {}, "machine learning"), " engineer"],
  };

  // What the reader answered: question id -> number of the choice, or UNKNOWN. A browser may refuse to keep it.
  const read = () => {
    try { return clean(JSON.parse(localStorage.getItem(KEY))); } catch { return { answers: {} }; }
  };
  const keep = () => { try { localStorage.setItem(KEY, JSON.stringify(state)); } catch { /* it lasts as long as the page */ } };
  const clean = (data) => {
    const answers = {};
    for (const question of questions) {
      const given = data && data.answers ? data.answers[question.id] : undefined;
      if (Number.isInteger(given) && given >= UNKNOWN && given < question.choices) answers[question.id] = given;
    }
    return { answers, ...(data && data.track in TRACKS ? { track: data.track } : {}) };
  };

  // The questions: from folded answers to a group of buttons, since arrow keys would choose among radio buttons at once.
  const items = questions.map((question, number) => {
    const item = document.getElementById(`ask-${question.id}`);
    const folds = [...item.querySelectorAll("details")];
    question.choices = folds.length;
    question.reasons = folds.map((fold) => fold.querySelector("p"));
    const fieldset = make("fieldset", {}, make("legend", {}, `${number + 1}. `, ...item.querySelector(".assessment-asks").childNodes));
    const texts = folds.map((fold) => [...fold.querySelector("summary").childNodes]);
    [...texts, ["I don’t know"]].forEach((text, n) => {
      const value = n < texts.length ? n : UNKNOWN;
      const button = make("button", { type: "button", class: "choice", value }, ...text);
      button.addEventListener("click", () => {
        if (state.answers[question.id] !== undefined) return;
        state.answers[question.id] = value;
        keep();
        show();
      });
      fieldset.append(button);
    });
    const said = make("div", { "aria-live": "polite" });
    item.replaceChildren(fieldset, said);
    item.classList.add("asked");
    return { question, fieldset, said };
  });

  root.querySelector(".assessment-questions").classList.add("ready");

  const result = make("div", { class: "assessment-result" });
  root.append(result);
  let state = read();

  const show = () => {
    for (const { question, fieldset, said } of items) {
      const given = state.answers[question.id];
      for (const button of fieldset.querySelectorAll("button")) {
        button.setAttribute("aria-pressed", String(Number(button.value) === given));
        button.disabled = given !== undefined && Number(button.value) !== given;
      }
      said.replaceChildren();
      if (given === undefined) continue;
      const shown = given === question.right || given === UNKNOWN ? [question.right] : [given, question.right];
      for (const n of shown) {
        const reason = question.reasons[n].cloneNode(true);
        reason.className = n === question.right ? "said right" : "said";
        if (n !== given) reason.prepend(`${texts(fieldset, n)}. `);
        said.append(reason);
      }
    }
    result.replaceChildren(...summary());
  };
  const texts = (fieldset, n) => fieldset.querySelectorAll("button")[n].textContent;

  const right = (wanted) => {
    const asked = questions.filter((question) => question.shows === wanted);
    return [asked.filter((question) => state.answers[question.id] === question.right).length, asked.length];
  };

  function summary() {
    const left = questions.filter((question) => state.answers[question.id] === undefined).length;
    if (left) {
      const words = left === questions.length ? "Answer the questions, and your track and route appear here."
        : `${left} ${left === 1 ? "question" : "questions"} to go.`;
      return [make("p", { role: "status" }, words), tools()];
    }
    const [engineer, of_a] = right("A");
    const [modeller, of_b] = right("B");
    const known = new Set(questions.filter((q) => state.answers[q.id] === q.right).flatMap((q) => q.chapters));
    const route = (track) => chapters.filter((chapter) => chapter.tracks.includes(track));
    const difference = engineer / of_a - modeller / of_b;
    const recommended = difference > 0 ? "B" : "A";
    const track = state.track || recommended;
    const why = difference === 0
      ? "you know as much of the one as of the other, and a model that nobody can run teaches nobody anything"
      : `the ${difference > 0 ? "modeller’s" : "engineer’s"} side is what you lack more, and this track teaches it`;
    const chosen = route(track);
    const skip = chosen.filter((chapter) => known.has(chapter.id));
    const unwritten = chosen.filter((chapter) => !chapter.url).length;
    return [
      make("h2", {}, "Where you stand"),
      make("p", { role: "status" }, `Right: ${engineer} of ${of_a} of the engineer’s questions, ${modeller} of ${of_b} of the modeller’s. `,
        make("strong", {}, "Recommended: track ", ...TRACKS[recommended]()), `: ${why}.`),
      make("div", { class: "assessment-tools" }, "Route of track ", ...Object.keys(TRACKS).map((name) => {
        const button = make("button", { type: "button", "aria-pressed": String(name === track) }, name);
        button.addEventListener("click", () => {
          state.track = name;
          keep();
          show();
          [...result.querySelectorAll("button[aria-pressed]")].find((b) => b.textContent === name).focus();
        });
        return button;
      })),
      make("p", {}, `${chosen.length} chapters, of which you can try to skip ${skip.length}. `
        + (unwritten ? `${unwritten} of them are not written yet.` : "")),
      picture(known, track),
      legend(),
      make("h3", {}, "Your route"),
      routeList(chosen, known),
      tools(),
    ];
  }

  const meaning = (chapter, known, track) => known.has(chapter.id) ? "you can try to skip it"
    : chapter.tracks.includes(track) ? "to take" : "not on this track";

  function picture(known, track) {
    return make("ul", { class: "standing", "aria-label": "The chapters of the course, by part" }, ...parts.map((part) =>
      make("li", {}, make("span", {}, part.title), make("ol", {}, ...part.chapters.map((chapter) => {
        const kind = known.has(chapter.id) ? "known" : chapter.tracks.includes(track) ? "take" : "off";
        const label = `${chapter.number}. ${chapter.title}: ${meaning(chapter, known, track)}${chapter.url ? "" : ", not written yet"}`;
        const attributes = { class: `chapter ${kind}${chapter.url ? "" : " planned"}`, title: label };
        const square = chapter.url
          ? make("a", { ...attributes, href: chapter.url, "aria-label": label }, String(chapter.number))
          : make("span", { ...attributes, role: "img", "aria-label": label }, String(chapter.number));
        return make("li", {}, square);
      })))));
  }

  function legend() {
    const kinds = [["known", "you can try to skip it"], ["take", "to take"], ["take planned", "to take, not written yet"], ["off", "not on this track"]];
    return make("ul", { class: "standing-legend" }, ...kinds.map(([kind, words]) =>
      make("li", {}, make("span", { class: `chapter ${kind}`, "aria-hidden": "true" }), words)));
  }

  function routeList(chosen, known) {
    return make("ol", { class: "assessment-route" }, ...chosen.map((chapter) => {
      const skip = known.has(chapter.id);
      const address = skip ? chapter.exercise : chapter.url;
      const name = address ? make("a", { href: address }, chapter.title) : chapter.title;
      const words = skip ? (address ? ": its exercise first" : ": can be skipped") : "";
      return make("li", {}, `${chapter.number}. `, name, words, chapter.url ? "" : " (not written yet)");
    }));
  }

  function tools() {
    const save = make("button", { type: "button" }, "Export my answers");
    save.addEventListener("click", () => {
      const file = new Blob([JSON.stringify(state, null, 1)], { type: "application/json" });
      const link = make("a", { href: URL.createObjectURL(file), download: "self-assessment.json" });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
    const open = make("input", { type: "file", accept: "application/json,.json", hidden: "" });
    const load = make("button", { type: "button" }, "Import");
    load.addEventListener("click", () => open.click());
    open.addEventListener("change", async () => {
      try {
        const found = clean(JSON.parse(await open.files[0].text()));
        if (!Object.keys(found.answers).length) throw new Error("no answers");
        state = found;
        keep();
        show();
      } catch {
        note.textContent = "This file holds no answers to these questions: choose one that “Export my answers” wrote.";
      }
    });
    const again = make("button", { type: "button" }, "Start again");
    again.addEventListener("click", () => {
      state = { answers: {} };
      keep();
      show();
      items[0].fieldset.querySelector("button").focus();
    });
    const note = make("span", { role: "status" });
    return make("div", { class: "assessment-tools" }, save, load, open, again, note);
  }

  show();
})();
