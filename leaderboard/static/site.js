"use strict";
// Sorting, filtering and the state in the URL's hash. Without this script every table is shown whole.

function keyOf(row, column, kind) {
  const raw = row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
  if (kind === "text") return raw;
  return raw === "" ? null : Number(raw);
}

function compare(a, b, sign) {
  if (a === null || b === null) return (a === null) - (b === null); // what is absent comes last
  const order = typeof a === "string" ? a.localeCompare(b, undefined, { numeric: true }) : a < b ? -1 : a > b ? 1 : 0;
  return sign * order;
}

function sortTable(table, column, direction) {
  const headers = [...table.tHead.rows[0].cells];
  const kind = headers[column].querySelector("button.sort").dataset.kind;
  const body = table.tBodies[0];
  const sign = direction === "desc" ? -1 : 1;
  const keyed = [...body.rows].map((row) => [keyOf(row, column, kind), row]);
  keyed.sort((a, b) => compare(a[0], b[0], sign));
  body.append(...keyed.map((entry) => entry[1]));
  headers.forEach((header, index) => {
    if (header.hasAttribute("aria-sort")) {
      header.setAttribute("aria-sort", index !== column ? "none" : sign < 0 ? "descending" : "ascending");
    }
  });
}

function nextDirection(header) {
  const now = header.getAttribute("aria-sort");
  if (now === "none") return header.querySelector("button.sort").dataset.first; // best first
  return now === "descending" ? "asc" : "desc";
}

function headerKey(header) {
  return header.querySelector("button.sort").dataset.key;
}

function makeSortable(table, onSort) {
  table.tHead.addEventListener("click", (event) => {
    const button = event.target.closest("button.sort");
    if (!button) return;
    const header = button.closest("th");
    const direction = nextDirection(header);
    sortTable(table, header.cellIndex, direction);
    onSort(headerKey(header), direction);
  });
}

function board() {
  const form = document.getElementById("filters");
  const splits = [...document.querySelectorAll(".split")];
  const names = ["method", "data", "nfe", "q"];
  for (const name of ["codes", "weights", "codec"]) if (form.elements[name]) names.unshift(name);
  if (splits.length > 1) names.unshift("split");
  const initial = Object.fromEntries(names.map((name) => [name, form.elements[name].value]));
  let sorting = { sort: "", dir: "" };

  function readHash() {
    const state = new URLSearchParams(location.hash.slice(1));
    for (const name of names) {
      form.elements[name].value = state.get(name) ?? initial[name];
      if (form.elements[name].value === "" && name !== "q") form.elements[name].value = initial[name];
    }
    sorting = { sort: state.get("sort") ?? "", dir: state.get("dir") === "asc" ? "asc" : "desc" };
    if (sorting.sort) applySort();
  }

  function writeHash() {
    const state = new URLSearchParams();
    for (const name of names) {
      if (form.elements[name].value !== initial[name]) state.set(name, form.elements[name].value);
    }
    if (sorting.sort) {
      state.set("sort", sorting.sort);
      state.set("dir", sorting.dir);
    }
    const hash = state.toString();
    history.replaceState(null, "", hash ? "#" + hash : location.pathname + location.search);
  }

  function applySort() {
    for (const table of document.querySelectorAll("table.board")) {
      const header = [...table.tHead.rows[0].cells].find((cell) => headerKey(cell) === sorting.sort);
      if (header) sortTable(table, header.cellIndex, sorting.dir);
    }
  }

  function matches(row, wanted) {
    const nfe = wanted.nfe === "chosen" ? row.dataset.chosen === "yes" : !wanted.nfe || row.dataset.nfe === wanted.nfe;
    return nfe
      && (!wanted.method || row.dataset.method === wanted.method)
      && (!wanted.codec || row.dataset.codec === wanted.codec || row.dataset.codec === "") // others suit all
      && (!wanted.weights || row.dataset.weights === wanted.weights || row.dataset.weights === "")
      && (!wanted.codes || row.dataset.codes === wanted.codes)
      && (!wanted.data || row.dataset.data === wanted.data)
      && wanted.q.split(/\s+/).every((word) => row.cells[0].textContent.toLowerCase().includes(word));
  }

  function apply() {
    const wanted = Object.fromEntries(names.map((name) => [name, form.elements[name].value]));
    wanted.q = wanted.q.trim().toLowerCase();
    for (const split of splits) {
      split.hidden = splits.length > 1 && split.dataset.split !== wanted.split;
      const rows = [...split.querySelector("table.board").tBodies[0].rows];
      for (const row of rows) row.hidden = !matches(row, wanted);
      if (!split.hidden) {
        const shown = rows.filter((row) => !row.hidden).length;
        document.getElementById("count").textContent = `${shown} of ${rows.length} systems`;
      }
    }
  }

  for (const table of document.querySelectorAll("table.board")) {
    makeSortable(table, (sort, dir) => {
      sorting = { sort, dir };
      applySort();
      writeHash();
    });
  }
  form.addEventListener("input", () => { apply(); writeHash(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => { apply(); writeHash(); }));
  window.addEventListener("hashchange", () => {
    if (location.hash.includes("=") || location.hash === "") { readHash(); apply(); }
  });
  readHash();
  apply();
}

if (document.getElementById("filters")) board();
for (const table of document.querySelectorAll("table.sortable:not(.board)")) makeSortable(table, () => {});
