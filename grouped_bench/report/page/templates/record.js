// The record: unpacked once, its columns by name, and how their values are written.

const byId = (id) => document.getElementById(id);
const element = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};

const unpack = async (id) => {
  const bytes = Uint8Array.from(atob(byId(id).textContent.trim()), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
};

// A column of few distinct values has them in order, and each row's place among them.
class Column {
  constructor(told) {
    Object.assign(this, told);
    this.few = Boolean(told.distinct);
    this.texts = this.few ? told.distinct.map((value) => write(value, this.form)) : null;
    this.varies = !this.few || told.distinct.length > 1;
    this.isNumber = this.form !== "text";
    if (this.summary) this.title = `${this.title} (${this.summary})`;
  }
  value(row) { return this.few ? this.distinct[this.places[row]] : this.values[row]; }
  text(row) { return this.few ? this.texts[this.places[row]] : write(this.values[row], this.form); }
  // Something to sort by: a number, or null for what is unknown.
  rank(row) {
    const value = this.value(row);
    return value === null ? null : this.few ? this.places[row] : value;
  }
}

class TheRecord {
  constructor(told) {
    const lengths = told.columns.map((column) => (column.places || column.values).length);
    this.count = Math.max(0, ...lengths);
    this.rows = Array.from({ length: this.count }, (_, row) => row);
    this.columns = told.columns.map((column) => new Column(column));
    this.byName = new Map(this.columns.map((column) => [column.name, column]));
    this.marks = new Map(Object.entries(told.marks));
    this.findings = told.findings;
    this.samples = told.samples;
  }
  column(name) { return this.byName.get(name); }
  // Which variant, of which case, in which setting: enough to know a row by.
  name(row) {
    return ["variant", "case", "setting"].map((name) => this.column(name).text(row)).filter(Boolean).join(", ");
  }
  // Samples by visit, in seconds.
  samplesOf(row) {
    const kept = this.samples.rows[row];
    return kept ? kept.slice(1).map((visit) => visit.map((deviation) => kept[0] * (1 + deviation / 1000))) : [];
  }
}

const digits = (number, count = 3) => {
  const text = number.toPrecision(count);
  return text.includes("e") ? String(Number(text)) : text;
};
const scaled = (number, units) => {
  const [size, unit] = units.find(([size]) => Math.abs(number) >= size) || units.at(-1);
  return `${Number.isInteger(number / size) ? number / size : digits(number / size)} ${unit}`.trim();
};
const SECONDS = [[1, "s"], [1e-3, "ms"], [1e-6, "µs"], [1e-9, "ns"]];
const BYTES = [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"], [1, "B"]];
const COUNTS = [[1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""]];
const FORMS = {
  seconds: (value) => scaled(value, SECONDS),
  bytes: (value) => scaled(value, BYTES),
  count: (value) => scaled(value, COUNTS),
  ratio: (value) => `${digits(value)}×`,
  joules: (value) => `${digits(value)} J`,
  number: (value) => (Number.isInteger(value) ? String(value) : digits(value)),
  text: (value) => value,
};
const write = (value, form) => (value === null || value === undefined ? "—" : FORMS[form](value));
const counted = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
