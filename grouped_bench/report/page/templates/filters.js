// Which rows are looked at: a list of boxes for each axis that varies, words to search for, and a finding's rows.

const MOST_BOXES = 100;

const makeFilters = (record, update) => {
  const place = byId("explore-filters");
  const made = [];
  for (const column of record.columns.filter((column) => column.filter && column.few && column.varies)) {
    const summary = element("summary");
    const boxes = column.texts.slice(0, MOST_BOXES).map((text) => {
      const box = element("input", { type: "checkbox", value: text });
      box.addEventListener("change", () => update({ is: (is) => chosen(is, column.name, boxes), page: 1 }));
      return box;
    });
    const list = element("fieldset", {}, element("legend", { className: "unseen", textContent: column.name }));
    list.append(...boxes.map((box) => element("label", {}, box, ` ${box.value}`)));
    const more = column.texts.length - boxes.length;
    if (more > 0) list.append(element("p", { textContent: `${counted(more, "more value")}: search for them.` }));
    place.append(element("details", { className: "filter" }, summary, list));
    made.push({ column, summary, boxes });
  }
  // One list at a time, so that none hides another.
  place.addEventListener("toggle", (event) => {
    if (event.target.open) for (const other of place.querySelectorAll("details[open]")) other.open = other === event.target;
  }, true);
  document.addEventListener("click", (event) => {
    if (!place.contains(event.target)) for (const open of place.querySelectorAll("details[open]")) open.open = false;
  });
  place.addEventListener("keydown", (event) => {
    const open = event.target.closest("details[open]");
    if (event.key !== "Escape" || !open) return;
    open.open = false;
    open.querySelector("summary").focus();
  });
  return (state) => {
    const active = [...state.is.keys()].map((name) => record.column(name).title);
    byId("explore-fold").textContent = active.length ? `Filters: ${active.join(", ")}` : "Filters";
    for (const { column, summary, boxes } of made) {
      const chosen = state.is.get(column.name);
      for (const box of boxes) box.checked = Boolean(chosen?.has(box.value));
      summary.textContent = `${column.title}: ${!chosen ? "all" : chosen.size > 3 ? `${chosen.size} of ${column.texts.length}` : [...chosen].join(", ")}`;
      summary.parentElement.classList.toggle("active", Boolean(chosen));
    }
  };
};

const chosen = (is, name, boxes) => {
  const ticked = boxes.filter((box) => box.checked).map((box) => box.value);
  const changed = new Map(is);
  if (ticked.length) changed.set(name, new Set(ticked));
  else changed.delete(name);
  return changed;
};

const selected = (record, state) => {
  const tests = [...state.is].map(([name, texts]) => {
    const column = record.column(name);
    const wanted = column.texts.map((text) => texts.has(text));
    return (row) => wanted[column.places[row]];
  });
  if (state.finding) {
    const rows = restedOn(record.findings[state.finding - 1]);
    tests.push((row) => rows.has(row));
  }
  const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length) {
    const lines = searchable(record);
    tests.push((row) => words.every((word) => lines[row].includes(word)));
  }
  return record.rows.filter((row) => tests.every((test) => test(row)));
};

// A finding's rows are stretches: first and last, first and last.
const restedOn = (ends) => {
  const rows = new Set();
  for (let i = 0; i < ends.length; i += 2) for (let row = ends[i]; row <= ends[i + 1]; row += 1) rows.add(row);
  return rows;
};

const searchable = (record) => {
  if (!record.lines) {
    const columns = record.columns.filter((column) => column.few);
    const lower = columns.map((column) => column.texts.map((text) => text.toLowerCase()));
    record.lines = record.rows.map((row) => columns.map((column, i) => lower[i][column.places[row]]).join("\n"));
  }
  return record.lines;
};
