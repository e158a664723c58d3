// What is being looked at, and its other form: the fragment of the page's address, by which a view can be linked.

const VIEW = "#explore?";
const MOST_PINS = 2;

const initial = (record) => {
  const varying = (name) => Boolean(record.column(name)?.varies);
  return {
    x: varying("case") && record.column("case").distinct.length <= MOST_CATEGORIES ? "case" : ["groups", "cardinality", "in_channels", "variant"].find(varying) || "variant",
    y: "latency_s",
    colour: "variant",
    facet: varying("setting") ? "setting" : "",
    q: "",
    sort: "",
    page: 1,
    every: false,
    finding: 0,
    pins: [],
    is: new Map(),
  };
};

const toFragment = (state, standard) => {
  const parameters = new URLSearchParams();
  for (const name of ["x", "y", "colour", "facet", "q", "sort", "page", "finding"]) {
    if (state[name] !== standard[name]) parameters.set(name, state[name]);
  }
  if (state.every) parameters.set("every", "yes");
  if (state.pins.length) parameters.set("pins", state.pins.join(","));
  for (const [name, texts] of state.is) for (const text of texts) parameters.append(`is.${name}`, text);
  return VIEW + parameters;
};

// A fragment may have been written by anyone: what the record does not know is left out.
const fromFragment = (fragment, record) => {
  const state = initial(record);
  const given = new URLSearchParams(fragment.slice(VIEW.length));
  for (const name of ["x", "y", "colour", "facet"]) {
    const wanted = given.get(name);
    const column = record.column(wanted);
    if (name === "facet" ? wanted === "" || column?.few : column) state[name] = wanted;
  }
  if (record.column((given.get("sort") || "").replace(/^-/, ""))) state.sort = given.get("sort");
  state.q = given.get("q") || "";
  state.every = given.get("every") === "yes";
  state.page = Math.max(1, Math.trunc(Number(given.get("page"))) || 1);
  const finding = Number(given.get("finding"));
  if (record.findings[finding - 1]) state.finding = finding;
  const pins = (given.get("pins") || "").split(",").filter(Boolean).map(Number);
  state.pins = pins.filter((row) => Number.isInteger(row) && row >= 0 && row < record.count).slice(0, MOST_PINS);
  for (const column of record.columns) {
    const texts = given.getAll(`is.${column.name}`).filter((text) => column.texts?.includes(text));
    if (texts.length) state.is.set(column.name, new Set(texts));
  }
  return state;
};
