"use strict";
// Sorts and filters the table of all rows, and unfolds for printing all but single launches: these
// are printed where the reader has unfolded them.
(() => {
  const table = document.getElementById("rows");
  if (table) {
    const body = table.tBodies[0];
    const rows = Array.from(body.rows);
    const words = document.getElementById("filter");
    const verdict = document.getElementById("verdict");
    const count = document.getElementById("count");
    const text = rows.map((row) => row.textContent.toLowerCase());

    const filter = () => {
      const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      rows.forEach((row, at) => {
        const good = wanted.every((word) => text[at].includes(word)) &&
          (!verdict.value || row.dataset.verdict === verdict.value);
        row.hidden = !good;
        shown += good;
      });
      table.closest("section").classList.toggle("chosen", shown < rows.length);
      count.textContent = `${shown} of ${rows.length} rows`;
    };
    const value = (row, column) => {
      const cell = row.cells[column];
      if (cell.dataset.v !== undefined) return parseFloat(cell.dataset.v);
      return cell.textContent || null;
    };
    const sort = (column, down) => {
      const order = (a, b) => {
        const [x, y] = [value(a, column), value(b, column)];
        const [noX, noY] = [x === null || Number.isNaN(x), y === null || Number.isNaN(y)];
        if (noX || noY) return noX - noY; // what has no figure stays last
        const sign = typeof x === "number" ? x - y : x.localeCompare(y, "en", {numeric: true});
        return down ? -sign : sign;
      };
      body.append(...rows.slice().sort(order));
    };
    words.addEventListener("input", filter);
    verdict.addEventListener("change", filter);
    const heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      sort(column, down);
    }));
    filter();
    document.querySelectorAll(".controls").forEach((part) => { part.hidden = false; });
  }
  window.addEventListener("beforeprint", () => {
    document.querySelectorAll("details:not(.launches)").forEach((part) => { part.open = true; });
  });
})();
