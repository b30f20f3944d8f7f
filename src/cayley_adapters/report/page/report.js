"use strict";

// The chart takes the picture's place only once it stands. "ast" keeps Vega from building functions out of text.
vegaEmbed("#chart", JSON.parse(document.getElementById("chart-spec").textContent), {
  mode: "vega-lite",
  ast: true,
  renderer: "svg",
  actions: false,
}).then(
  () => {
    document.body.classList.add("drawn");
    mark(document.getElementById("chart"));
  },
  (error) => console.error("The chart could not be drawn:", error),
);

// A click on a heading sorts its table by that column, a second one the other way; empty cells stay last.
for (const button of document.querySelectorAll(".data th button")) {
  button.addEventListener("click", () => {
    const heading = button.parentElement;
    const column = heading.cellIndex;
    const numeric = heading.classList.contains("number");
    const down = heading.getAttribute("aria-sort") === "ascending";
    for (const other of heading.parentElement.children) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = heading.closest("table").tBodies[0];
    const key = (row) => {
      const cell = row.cells[column];
      return numeric ? cell.dataset.key : cell.textContent;
    };
    const order = (a, b) => (numeric ? Number(a) - Number(b) : a.localeCompare(b));
    const rows = [...body.rows].sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      return (x === "") - (y === "") || (down ? order(y, x) : order(x, y));
    });
    body.append(...rows);
  });
}

// What is wider than its box says so, until its end is in sight.
const boxes = [...document.querySelectorAll(".scroll")];
const mark = (box) => box.classList.toggle("more", box.scrollLeft + box.clientWidth < box.scrollWidth - 1);
const watch = new ResizeObserver((seen) => seen.forEach((one) => mark(one.target.closest(".scroll"))));
for (const box of boxes) {
  box.addEventListener("scroll", () => mark(box), { passive: true });
  watch.observe(box);
  for (const inner of box.children) watch.observe(inner);
}
