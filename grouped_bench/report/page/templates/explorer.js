// The explorer: one state, shown by filters, chart, pins and table; every change goes through `update`.

const AXES = ["x", "y", "colour", "facet"];

const optionsOf = (record, axis) => {
  const few = (column) => column.few && column.distinct.length <= MOST_CATEGORIES;
  const fits = {
    x: (column) => column.isNumber || few(column),
    y: (column) => column.isNumber,
    colour: (column) => column.isNumber || few(column),
    facet: few,
  }[axis];
  return record.columns.filter((column) => fits(column) && (column.varies || (axis !== "facet" && column.name === "variant")));
};

const makeAxes = (record, update) => {
  for (const axis of AXES) {
    const select = byId(`explore-${axis}`);
    if (axis === "facet") select.append(element("option", { value: "", textContent: "none" }));
    select.append(...optionsOf(record, axis).map((column) => element("option", { value: column.name, textContent: column.title })));
    select.addEventListener("change", () => update({ [axis]: select.value }));
  }
  return (state) => {
    for (const axis of AXES) {
      const select = byId(`explore-${axis}`);
      if (![...select.options].some((option) => option.value === state[axis])) {
        select.append(element("option", { value: state[axis], textContent: state[axis] }));
      }
      select.value = state[axis];
    }
  };
};

const start = async () => {
  const record = new TheRecord(JSON.parse(await unpack("record")));
  const standard = initial(record);
  const isView = () => location.hash.startsWith(VIEW);
  let state = isView() ? fromFragment(location.hash, record) : standard;

  const update = (changes) => {
    const made = Object.entries(changes).map(([name, change]) => [name, typeof change === "function" ? change(state[name]) : change]);
    state = { ...state, ...Object.fromEntries(made) };
    show();
    history.replaceState(null, "", toFragment(state, standard));
  };
  const parts = { axes: makeAxes(record, update), filters: makeFilters(record, update), table: makeTable(record, update), chart: makeChart(record, update), pins: makePins(record, update) };

  const show = () => {
    const rows = selected(record, state);
    parts.axes(state);
    parts.filters(state);
    state.page = parts.table(state, rows);
    parts.pins(state);
    parts.chart(state, rows);
    if (byId("explore-q").value !== state.q) byId("explore-q").value = state.q;
    byId("explore-finding").hidden = !state.finding;
    byId("explore-finding-text").textContent = state.finding ? byId(`finding-${state.finding}`).firstChild.textContent.trim() : "";
    byId("explore-count").textContent = `${rows.length.toLocaleString("en")} of ${counted(record.count, "task")} selected.`;
  };

  byId("explore-q").addEventListener("input", (event) => update({ q: event.target.value, page: 1 }));
  byId("explore-all-rows").addEventListener("click", () => update({ finding: 0, page: 1 }));
  byId("explore-reset").addEventListener("click", () => update(initial(record)));
  window.addEventListener("hashchange", () => {
    if (!isView()) return;
    state = fromFragment(location.hash, record);
    show();
    byId("explore").scrollIntoView();
  });

  document.documentElement.classList.add("scripted");
  show();
  if (isView()) byId("explore").scrollIntoView();
  byId("explorer").dataset.ready = "yes";
  performance.mark("usable");
};

start().catch((problem) => {
  byId("explore-problem").textContent = `The explorer could not start in this browser (${problem.message}). The figures and tables below need no script.`;
});
