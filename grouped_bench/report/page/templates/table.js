// The table: the rows that are looked at, a page at a time, sorted by any column. It is our own: a library for tables
// would weigh more than the record, and filters, pins and the state in the address would still be ours.

const PAGE = 50;
const LONG = 24;
const FIRST = ["case", "setting", "variant", "latency_s", "speedup", "verdict", "peak_memory_bytes", "params", "computes", "status", "reason"];
const ALWAYS = ["case", "variant", "status", "latency_s", "speedup", "verdict"];
// What there is room for on paper.
const PRINTED = ["case", "setting", "variant", "latency_s", "speedup", "verdict", "peak_memory_bytes", "status"];

const isLesser = (column) => !PRINTED.includes(column.name);

const ordered = (record, state, rows) => {
  if (!state.sort) return rows;
  const down = state.sort.startsWith("-");
  const column = record.column(state.sort.replace(/^-/, ""));
  const known = rows.filter((row) => column.rank(row) !== null);
  const unknown = rows.filter((row) => column.rank(row) === null);
  known.sort((one, other) => (column.rank(one) - column.rank(other)) * (down ? -1 : 1) || one - other);
  return known.concat(unknown);
};

const shownColumns = (record, every) => {
  const first = FIRST.map((name) => record.column(name));
  const all = [...first, ...record.columns.filter((column) => !first.includes(column))];
  return every ? all : all.filter((column) => column.varies || ALWAYS.includes(column.name));
};

const makeTable = (record, update) => {
  const [head, body] = [byId("explore-head"), byId("explore-body")];
  const pages = (step) => () => update({ page: (page) => page + step });
  byId("explore-before").addEventListener("click", pages(-1));
  byId("explore-after").addEventListener("click", pages(1));
  byId("explore-every").addEventListener("change", (event) => update({ every: event.target.checked }));
  // The heads are made anew only when the columns change, so that a pressed button keeps the focus.
  let heads = "";

  const drawHead = (state, columns) => {
    const names = columns.map((column) => column.name).join();
    if (names !== heads) {
      heads = names;
      head.replaceChildren(element("th", { scope: "col" }, "pin"), ...columns.map(headOf));
    }
    for (const cell of head.querySelectorAll("[data-column]")) {
      const down = state.sort === `-${cell.dataset.column}`;
      const up = state.sort === cell.dataset.column;
      cell.setAttribute("aria-sort", up ? "ascending" : down ? "descending" : "none");
    }
  };

  const headOf = (column) => {
    const button = element("button", { type: "button", textContent: column.title, title: column.meaning });
    button.addEventListener("click", () => update({
      sort: (sort) => (sort === column.name ? `-${column.name}` : sort === `-${column.name}` ? "" : column.name),
      page: 1,
    }));
    const cell = element("th", { scope: "col" }, button);
    cell.dataset.column = column.name;
    cell.classList.toggle("lesser", isLesser(column));
    return cell;
  };

  const lineOf = (row, columns, pins) => {
    const pin = element("button", { type: "button", className: "pin", textContent: pins.includes(row) ? "unpin" : "pin" });
    pin.dataset.row = row;
    pin.setAttribute("aria-label", `${pin.textContent} ${record.name(row)}`);
    const cells = columns.map((column) => {
      const cell = element(column.name === "variant" ? "th" : "td", { textContent: column.text(row) });
      if (column.name === "variant") cell.scope = "row";
      cell.classList.toggle("long", cell.textContent.length > LONG);
      if (column.name === "verdict" && ["faster", "slower"].includes(cell.textContent)) cell.classList.add(cell.textContent);
      cell.classList.toggle("lesser", isLesser(column));
      return cell;
    });
    const line = element("tr", {}, element("td", {}, pin), ...cells);
    line.dataset.row = row;
    line.classList.toggle("pinned", pins.includes(row));
    return line;
  };

  body.addEventListener("click", (event) => {
    const pin = event.target.closest("button.pin");
    if (!pin) return;
    update({ pins: (pins) => toggled(pins, Number(pin.dataset.row)) });
    body.querySelector(`button[data-row="${pin.dataset.row}"]`)?.focus();
  });

  return (state, rows) => {
    const columns = shownColumns(record, state.every);
    const count = Math.max(1, Math.ceil(rows.length / PAGE));
    const page = Math.min(state.page, count);
    const shown = ordered(record, state, rows).slice((page - 1) * PAGE, page * PAGE);
    drawHead(state, columns);
    body.replaceChildren(...shown.map((row) => lineOf(row, columns, state.pins)));
    byId("explore-page").textContent = rows.length
      ? `rows ${(page - 1) * PAGE + 1} to ${(page - 1) * PAGE + shown.length} of ${rows.length.toLocaleString("en")}`
      : "no rows";
    byId("explore-before").disabled = page <= 1;
    byId("explore-after").disabled = page >= count;
    byId("explore-every").checked = state.every;
    const hidden = record.columns.length - columns.length;
    byId("explore-hidden").textContent = hidden ? `${counted(hidden, "column")} with a single value not shown.` : "";
    return page;
  };
};

// Pinned or not; the oldest of too many pins falls off.
const toggled = (pins, row) => (pins.includes(row) ? pins.filter((pin) => pin !== row) : [...pins, row].slice(-MOST_PINS));
