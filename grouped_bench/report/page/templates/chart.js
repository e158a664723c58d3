// The chart, drawn by Vega-Lite: each row that was measured is a point. Values reach it as data, never as a program.

const MOST_FACETS = 12;
const MOST_CATEGORIES = 60;
const MOST_APART = 16;
const SPREAD = 1.3;
const MOST_BEYOND = 4;
const SOON_MS = 100;
const PINNED = "#e6007e";
const MOST_DRAWN_AS_SVG = 1500;
const ENDS = { latency_s: ["latency_low_s", "latency_high_s"], speedup: ["speedup_low", "speedup_high"] };
const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#767676"];
const LABELS = {
  seconds: "datum.value >= 1 ? format(datum.value, '~g') + ' s' : datum.value >= 1e-3 ? format(datum.value * 1e3, '~g') + ' ms' : datum.value >= 1e-6 ? format(datum.value * 1e6, '~g') + ' µs' : format(datum.value * 1e9, '~g') + ' ns'",
  bytes: "datum.value >= 1073741824 ? format(datum.value / 1073741824, '~g') + ' GiB' : datum.value >= 1048576 ? format(datum.value / 1048576, '~g') + ' MiB' : datum.value >= 1024 ? format(datum.value / 1024, '~g') + ' KiB' : format(datum.value, '~g') + ' B'",
  count: "format(datum.value, '~s')",
  ratio: "format(datum.value, '~g') + '×'",
  joules: "format(datum.value, '~g') + ' J'",
  number: "format(datum.value, '~g')",
};
// Drawn with the page's own ink, by day and by night; paper is always white.
const NIGHT = window.matchMedia("(prefers-color-scheme: dark)");
const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const style = () => {
  const [labelColor, titleColor] = [ink("ink"), ink("ink")];
  return {
    background: null,
    font: "system-ui, sans-serif",
    view: { stroke: ink("line") },
    axis: { gridColor: ink("grid"), domainColor: ink("edge"), tickColor: ink("edge"), labelColor, titleColor, titleFontWeight: 600, labelLimit: 200, titleLimit: 260 },
    legend: { labelColor, titleColor, orient: "bottom", labelLimit: 220, symbolLimit: 40 },
    header: { labelColor, titleColor, labelLimit: 320, labelFontWeight: 600 },
  };
};

let library = null;
const loadLibrary = () => {
  library ||= unpack("library").then((text) => document.head.append(element("script", { textContent: text })));
  return library;
};

// Reads as a ratio: twice as much is as far everywhere. Groups, channels and the like go up in powers of two.
const isLogarithmic = (column, values) => {
  const positive = values.every((value) => value > 0);
  return positive && Math.max(...extent(values)) > 0 && (column.form !== "number" || Number.isInteger(values[0]));
};
const extent = (values) => values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);

// Few measured values each have a tick; else 1, 2 and 5 of every power of ten, or powers alone where those are many.
const ticksOf = (column, values, [low, high], base) => {
  const distinct = [...new Set(values)].sort((one, other) => one - other);
  if (column.form === "number" && distinct.length <= 12) return distinct;
  const powers = Math.log(high / low) / Math.log(base);
  const steps = base === 10 && powers < 2.5 ? [1, 2, 5] : [1];
  const stride = Math.max(1, Math.ceil(powers / 8));
  const ticks = [];
  const least = Math.floor(Math.log(low) / Math.log(base));
  for (let power = least; base ** power <= high; power += stride) ticks.push(...steps.map((step) => step * base ** power));
  return ticks.filter((tick) => tick >= low && tick <= high);
};

// Points of unlike colours at one place on a logarithmic axis are set slightly apart.
const dodge = (record, state, points) => {
  const [x, colour] = [record.column(state.x), record.column(state.colour)];
  const apart = x.isNumber && x.few && x.distinct.length <= 12 && colour.few && !colour.isNumber && colour.distinct.length <= MOST_APART;
  if (!apart || !isLogarithmic(x, points.map((point) => point.x))) return false;
  const shift = (point) => SPREAD ** ((colour.places[point.row] + 0.5) / colour.distinct.length - 0.5);
  for (const point of points) point.dodged = point.x * shift(point);
  return true;
};

// The axis holds values and intervals, but no interval that says nothing can make the rest small.
const reach = (values, points) => {
  const [low, high] = extent(values);
  const bounded = points.filter((point) => "low" in point);
  const [least, most] = extent(bounded.flatMap((point) => [point.low, point.high]));
  return [Math.max(low / MOST_BEYOND, Math.min(low, least)), Math.min(high * MOST_BEYOND, Math.max(high, most))];
};

// Names of cases stand aslant where they have room, else upright.
const UPRIGHT_BELOW = 16;

const axisOf = (record, name, side, points, cell) => {
  const column = record.column(name);
  if (!column.isNumber) {
    const texts = column.texts.filter((_, place) => points.some((point) => column.places[point.row] === place));
    return { field: side, type: "ordinal", title: column.title, sort: texts, axis: { labelAngle: side === "y" ? 0 : cell / texts.length < UPRIGHT_BELOW ? -90 : -40 } };
  }
  const values = points.map((point) => point[side]);
  const log = isLogarithmic(column, values);
  const binary = column.form === "bytes" || column.form === "number";
  const [low, high] = reach(values, side === "y" ? points : []);
  const scale = log ? { type: "log", base: binary ? 2 : 10, nice: false, domain: [low / 1.25, high * 1.25] } : { zero: false, nice: true };
  const axis = { labelExpr: LABELS[column.form], labelOverlap: true };
  if (log) axis.values = ticksOf(column, values, [low / 1.25, high * 1.25], binary ? 2 : 10);
  return { field: side, type: "quantitative", title: column.title, scale, axis };
};

const colourOf = (record, name, points) => {
  const column = record.column(name);
  const isKnown = (_, place) => points.some((point) => column.places[point.row] === place);
  if (column.isNumber && (!column.few || column.distinct.length > COLOURS.length)) {
    const log = isLogarithmic(column, points.map((point) => point.colour));
    return { colour: { field: "colour", type: "quantitative", title: column.title, scale: { type: log ? "log" : "linear", scheme: "viridis" }, legend: { labelExpr: LABELS[column.form] } } };
  }
  const domain = column.texts.filter(isKnown);
  const marks = domain.map((text, place) => (name === "variant" && record.marks.get(text)) || [COLOURS[place % COLOURS.length], "circle"]);
  const legend = { columns: Math.max(1, Math.floor(byId("explore-chart").clientWidth / 190)) };
  // Colours by day and by night of what the record has marks for.
  const shade = NIGHT.matches ? 2 : 0;
  const by = (range) => ({ field: "colour", type: "nominal", title: column.title, scale: { domain, range }, legend });
  return { colour: by(marks.map((mark) => mark[shade] || mark[0])), ...(name === "variant" && { shape: by(marks.map(([, shape]) => shape)) }) };
};

const valueFor = (column, row) => (column.isNumber ? column.value(row) : column.text(row));

// Within what any drawing can hold.
const FARTHEST = 1e3;
const intervalOf = (value, low, high) =>
  low === null || high === null ? {} : { low: Math.max(low, value / FARTHEST), high: Math.min(high, value * FARTHEST) };

// The points, and in words what is not among them.
const pointsOf = (record, state, rows) => {
  const [x, y, colour] = [state.x, state.y, state.colour].map((name) => record.column(name));
  const facet = state.facet ? record.column(state.facet) : null;
  const [low, high] = (ENDS[state.y] || []).map((name) => record.column(name));
  const status = record.column("status");
  const coloured = colour.isNumber && (!colour.few || colour.distinct.length > COLOURS.length);
  // The library draws no point that has no place on a scale, that of colours among them.
  const placed = coloured ? [x, y, colour] : [x, y];
  const ok = rows.filter((row) => status.text(row) === "ok" && placed.every((column) => column.value(row) !== null));
  const facets = facet ? facet.texts.filter((_, place) => ok.some((row) => facet.places[row] === place)) : [];
  const kept = new Set(facets.slice(0, MOST_FACETS));
  const drawn = facet ? ok.filter((row) => kept.has(facet.text(row))) : ok;
  const points = drawn.map((row) => ({
    row,
    x: valueFor(x, row),
    y: valueFor(y, row),
    colour: coloured ? colour.value(row) : colour.text(row),
    facet: facet ? facet.text(row) : "",
    ...intervalOf(y.value(row), low?.value(row) ?? null, high?.value(row) ?? null),
  }));
  const notes = [`${counted(points.length, "task")} drawn.`];
  if (ok.length < rows.length) notes.push(`${counted(rows.length - ok.length, "task")} not drawn: status not ok, or no ${placed.map((column) => column.title).join(" or ")}.`);
  const cut = points.filter((point) => point.low < point.y / MOST_BEYOND || point.high > point.y * MOST_BEYOND);
  if (cut.length) notes.push(`Lines are intervals; ${counted(cut.length, "very wide one")} may be cut at the edge.`);
  if (kept.size < facets.length) notes.push(`${MOST_FACETS} of ${facets.length} panels shown. Filter by ${facet.title} to see the others.`);
  return { points, facets: [...kept], notes: notes.join(" ") };
};

const specOf = (record, state, { points, facets }) => {
  const width = Math.max(160, byId("explore-chart").clientWidth - 16);
  const columns = state.facet ? Math.max(1, Math.min(facets.length, Math.floor(width / 340))) : 1;
  const cell = Math.max(110, (width - 90 - 24 * (columns - 1)) / columns);
  const { colour, shape } = colourOf(record, state.colour, points);
  const [x, y] = [axisOf(record, state.x, "x", points, cell), axisOf(record, state.y, "y", points, cell)];
  if (dodge(record, state, points)) x.field = "dodged";
  const pinned = "indexof(pins, datum.row) >= 0";
  const layer = [{
    mark: { type: "point", filled: true, size: 45, opacity: points.length > 2000 ? 0.5 : 0.85, cursor: "pointer", aria: false },
    encoding: {
      x, y, color: colour, ...(shape && { shape }),
      tooltip: { field: "row" },
      size: { condition: { test: pinned, value: 240 }, value: 45 },
      stroke: { condition: { test: pinned, value: PINNED }, value: null },
      strokeWidth: { condition: { test: pinned, value: 3 }, value: 0 },
    },
  }];
  if (points.some((point) => "low" in point)) {
    layer.unshift({ mark: { type: "rule", aria: false, opacity: 0.6, clip: true }, encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" }, color: colour } });
  }
  if (state.y === "speedup") layer.unshift({ mark: { type: "rule", aria: false, strokeDash: [4, 3], color: "#666666" }, encoding: { y: { datum: 1 } } });
  const unit = { width: cell, height: Math.max(180, Math.min(420, cell * 0.75)), layer };
  const facet = { field: "facet", type: "nominal", title: record.column(state.facet)?.title, sort: facets };
  return {
    data: { values: points },
    params: [{ name: "pins", value: state.pins }],
    config: style(),
    ...(state.facet ? { facet, columns, spec: unit } : unit),
  };
};

// Into an element of its own, which the library styles as it likes.
const embed = (place, spec, tooltip, many) => window.vegaEmbed(inside(place), spec, {
  ast: true,
  actions: false,
  renderer: many ? "canvas" : "svg",
  tooltip,
  loader: { load: () => Promise.reject(new Error("a page loads nothing")) },
});

const inside = (place) => {
  place.replaceChildren(element("div"));
  return place.firstChild;
};

const makeChart = (record, update) => {
  const [place, tip] = [byId("explore-chart"), byId("explore-tip")];
  let [view, drawn, wanted, seen] = [null, "", null, false];

  const hover = (_handler, event, _item, row) => {
    tip.hidden = row === null || row === undefined || row === "";
    if (tip.hidden) return;
    tip.replaceChildren(...linesOf(record, Number(row)));
    const [width, height] = [tip.offsetWidth, tip.offsetHeight];
    tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, document.documentElement.clientWidth - width - 4))}px`;
    tip.style.top = `${event.clientY + 14 + height > window.innerHeight ? Math.max(4, event.clientY - height - 10) : event.clientY + 14}px`;
  };

  const draw = async () => {
    const { state, rows } = wanted;
    const found = pointsOf(record, state, rows);
    byId("explore-drawn").textContent = found.notes;
    const title = (name) => record.column(name).title;
    const words = `${title(state.y)} against ${title(state.x)}, coloured by ${title(state.colour)}${state.facet ? `, one panel per ${title(state.facet)}` : ""}. ${found.notes} The table below has the same rows.`;
    place.setAttribute("aria-label", words);
    if (!found.points.length) {
      view?.finalize();
      view = null;
      place.dataset.drawn = 0;
      place.replaceChildren(element("p", { textContent: "No tasks to draw." }));
      return;
    }
    await loadLibrary();
    view?.finalize();
    const made = await embed(place, specOf(record, state, found), hover, found.points.length > MOST_DRAWN_AS_SVG);
    view = made.view;
    showPins();
    view.addEventListener("click", (_event, item) => {
      const row = item?.datum?.row;
      if (row !== undefined) update({ pins: (pins) => toggled(pins, row) });
    });
    place.dataset.drawn = found.points.length;
  };

  const fail = (problem) => place.replaceChildren(element("p", { textContent: `The chart could not be drawn: ${problem.message}` }));
  const showPins = () => view?.signal("pins", wanted.state.pins).runAsync();
  // One drawing after the other, each of what is wanted by then, and none between two keys that are typed.
  let [drawing, waiting] = [Promise.resolve(), 0];
  const look = () => {
    clearTimeout(waiting);
    waiting = setTimeout(next, SOON_MS);
  };
  const next = () => {
    drawing = drawing.then(async () => {
      const key = seen && wanted ? JSON.stringify([wanted.key, place.clientWidth, NIGHT.matches]) : drawn;
      if (key === drawn) return showPins();
      drawn = key;
      return draw();
    }).catch(fail);
  };
  // Drawn when it comes near, so that a page opens at once; and anew when its width changes.
  new IntersectionObserver((entries) => {
    seen ||= entries.some((entry) => entry.isIntersecting);
    look();
  }, { rootMargin: "300px" }).observe(place);
  new ResizeObserver(() => look()).observe(place);
  NIGHT.addEventListener("change", look);

  return (state, rows) => {
    const { x, y, colour, facet, q, finding } = state;
    const is = [...state.is].map(([name, texts]) => [name, ...texts]);
    wanted = { state, rows, key: [x, y, colour, facet, q, finding, is] };
    look();
  };
};

// What hovering tells of a row: what sets it apart, and what was measured, with its interval.
const TOLD = ["latency_s", "speedup", "verdict", "peak_memory_bytes", "params", "macs"];
const linesOf = (record, row) => {
  const isTold = (column) => (column.filter && column.varies) || TOLD.includes(column.name);
  const columns = record.columns.filter((column) => isTold(column) && column.value(row) !== null);
  return columns.map((column) => {
    const ends = (ENDS[column.name] || []).map((name) => record.column(name)).filter((end) => end.value(row) !== null);
    const interval = ends.length === 2 ? ` [${ends.map((end) => end.text(row)).join(" – ")}]` : "";
    return element("div", {}, element("b", { textContent: column.title }), ` ${column.text(row)}${interval}`);
  });
};
