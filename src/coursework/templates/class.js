// Find a student by typing, show some of them, sort by any column. Without this the page is complete, only longer.
// Of a large class the first rows are laid out, and the rest when somebody asks: sorting then takes no seconds.
"use strict";
(() => {
  const table = document.getElementById("marks");
  const body = table.tBodies[0];
  const find = document.getElementById("find");
  const show = document.getElementById("show");
  const shown = document.getElementById("shown");
  const more = document.getElementById("more");
  let limit = 200;
  let rows = [...body.rows].map((row) => ({ row, name: row.cells[0].textContent.toLowerCase() }));
  const kinds = [...show.options].map((option) => option.value).filter((value) => value && value !== "!");

  function matches({ row, name }, words, kind) {
    if (!words.every((word) => name.includes(word))) return false;
    if (kind === "!") return row.classList.contains("f");
    return !kind || row.querySelector(`td.${kind}`) !== null;
  }

  function filter() {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let n = 0;
    for (const one of rows) {
      const hit = matches(one, words, show.value);
      n += hit;
      one.row.hidden = !hit || n > limit;
    }
    more.hidden = n <= limit;
    more.textContent = `Show all ${n}`;
    const said = n > limit ? `, the first ${limit} shown` : "";
    shown.value = words.length || show.value || said ? `${n} of ${rows.length}${said}` : "";
  }

  // The cell of a body row that stands below a head: its place among the heads that are no group.
  function key(row, index, how) {
    const cell = row.cells[index];
    if (how === "name") return cell.textContent.toLowerCase();
    if (how === "number") return cell.textContent === "" ? -1 : Number(cell.textContent);
    const rank = kinds.indexOf(cell.classList[0]);
    return rank < 0 ? kinds.length : rank;
  }

  function sort(head, index) {
    const how = head.dataset.sort;
    const first = how === "number" ? "descending" : "ascending";
    const second = first === "ascending" ? "descending" : "ascending";
    const direction = head.getAttribute("aria-sort") === first ? second : first;
    for (const other of table.tHead.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", direction);
    const sign = direction === "ascending" ? 1 : -1;
    const compare = how === "name" ? (a, b) => a.localeCompare(b) : (a, b) => a - b;
    rows = rows
      .map((one) => ({ one, at: key(one.row, index, how) }))
      .sort((a, b) => sign * compare(a.at, b.at) || a.one.name.localeCompare(b.one.name))
      .map(({ one }) => one);
    body.append(...rows.map((one) => one.row));
    filter();
  }

  const [name, total] = table.tHead.querySelectorAll("th[rowspan]");
  const heads = [name, ...table.tHead.rows[1].cells, total];
  heads.forEach((head, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sort(head, index));
  });
  name.setAttribute("aria-sort", "ascending");

  // What a mark means, and which question it belongs to, for whoever rests the pointer on it.
  table.addEventListener("pointerover", ({ target }) => {
    const cell = target.closest("tbody td[class]");
    if (cell && !cell.title && cell.firstElementChild?.localName === "i") {
      cell.title = `${heads[cell.cellIndex].textContent}: ${cell.textContent}`;
    }
  });

  find.addEventListener("input", filter);
  show.addEventListener("change", filter);
  more.addEventListener("click", () => {
    limit = Infinity;
    filter();
  });
  document.getElementById("tools").addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) {
      event.preventDefault();
      find.focus();
    } else if (event.key === "Escape" && event.target === find && find.value) {
      find.value = "";
      filter();
    }
  });
  document.getElementById("tools").hidden = false;
  filter();
})();
