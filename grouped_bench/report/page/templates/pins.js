// The pinned tasks: side by side in every column that tells them apart, and the samples behind their latencies.

const LETTERS = ["A", "B"];
// Of these a quotient means something.
const DIVIDED = ["latency_s", "peak_memory_bytes", "energy_j", "params", "params_total", "macs", "min_bytes"];

const makePins = (record, update) => {
  const [place, chart] = [byId("explore-pinned"), byId("explore-samples")];
  byId("explore-unpin").addEventListener("click", () => update({ pins: [] }));
  let view = null;

  const drawSamples = async (pins) => {
    const points = pins.flatMap((row, i) => record.samplesOf(row).flatMap((visit, number) => visit.map((seconds) => ({
      seconds, visit: number + 1, who: `${LETTERS[i]}: ${record.column("variant").text(row)}`,
      colour: record.marks.get(record.column("variant").text(row))[NIGHT.matches ? 2 : 0],
    }))));
    view?.finalize();
    view = null;
    chart.replaceChildren();
    chart.hidden = !points.length;
    if (!points.length) return;
    await loadLibrary();
    view = (await embed(chart, samplesSpec(record, points), () => {}, points.length > MOST_DRAWN_AS_SVG)).view;
    chart.dataset.drawn = points.length;
  };

  let [drawn, drawing] = ["", Promise.resolve()];
  return (state) => {
    const pins = state.pins;
    byId("explore-compare").hidden = !pins.length;
    if (drawn === pins.join()) return;
    drawn = pins.join();
    place.replaceChildren();
    if (!pins.length) return;
    place.append(comparison(record, pins));
    byId("explore-sampled").textContent = sampledWords(record, pins);
    chart.setAttribute("aria-label", `Samples of ${pins.map((row) => record.name(row)).join(" and of ")}; their quartiles are in the table above.`);
    drawing = drawing.then(() => drawSamples(pins)).catch((problem) => chart.replaceChildren(problem.message));
  };
};

const samplesSpec = (record, points) => {
  const thinned = record.samples.kept !== null;
  const width = Math.max(140, byId("explore-pinned").clientWidth - 110);
  const axis = { labelExpr: LABELS.seconds, labelOverlap: true, tickCount: Math.max(2, Math.floor(width / 90)) };
  return {
    data: { values: points },
    config: style(),
    facet: { row: { field: "who", type: "nominal", title: null, header: { labelAngle: 0, labelOrient: "top", labelAnchor: "start" } } },
    spec: {
      width,
      height: thinned ? 40 : { step: 14 },
      mark: { type: "tick", thickness: 2, opacity: 0.6, aria: false },
      encoding: {
        x: { field: "seconds", type: "quantitative", scale: { zero: false }, title: "time per call", axis },
        ...(!thinned && { y: { field: "visit", type: "ordinal", title: "visit" } }),
        color: { field: "colour", type: "nominal", scale: null },
      },
    },
    resolve: { scale: { y: "independent" } },
  };
};

const sampledWords = (record, pins) => {
  if (record.samples.kept === 0) return "This page has too many tasks to include their samples; the Parquet file has them.";
  if (!pins.some((row) => record.samplesOf(row).length)) return "There are no samples.";
  const thinned = record.samples.kept === null ? "every sample" : `at most ${record.samples.kept} quantiles per task, because all samples would not fit in this page`;
  return `Shown: ${thinned}, to 0.1% of the task's median. The Parquet file has them in full.`;
};

const comparison = (record, pins) => {
  const table = element("table", {}, element("caption", { textContent: pins.length > 1 ? "Pinned tasks, side by side" : "Pinned task" }));
  const heads = ["column", ...pins.map((row, i) => `${LETTERS[i]}: ${record.column("variant").text(row)}`), ...(pins.length > 1 ? ["B ÷ A"] : [])];
  table.append(element("thead", {}, element("tr", {}, ...heads.map((text) => element("th", { scope: "col", textContent: text })))));
  const told = record.columns.filter((column) => column.varies && pins.some((row) => column.value(row) !== null));
  const lines = told.map((column) => line(column.title, pins.map((row) => column.text(row)), quotient(column, pins)));
  table.append(element("tbody", {}, ...lines, ...sampleLines(record, pins)));
  return table;
};

const line = (name, texts, last) => {
  const cells = [...texts, ...(texts.length > 1 ? [last] : [])];
  const made = element("tr", {}, element("th", { scope: "row", textContent: name }), ...cells.map((text) => element("td", { textContent: text })));
  made.classList.toggle("differs", new Set(texts).size > 1);
  return made;
};

const quotient = (column, pins) => {
  const [one, other] = pins.map((row) => column.value(row));
  return DIVIDED.includes(column.name) && one && other ? `${digits(other / one)}×` : "";
};

const sampleLines = (record, pins) => {
  const sorted = pins.map((row) => record.samplesOf(row).flat().sort((one, other) => one - other));
  if (!sorted.some((samples) => samples.length)) return [];
  const at = (share) => sorted.map((samples) => write(samples[Math.round(share * (samples.length - 1))], "seconds"));
  const shares = [["least", 0], ["lower quartile", 0.25], ["median", 0.5], ["upper quartile", 0.75], ["largest", 1]];
  return [
    line("samples here", sorted.map((samples) => String(samples.length)), ""),
    ...shares.map(([name, share]) => line(`samples, ${name}`, at(share), "")),
  ];
};
