// The tab Feedback: the buttons of its table tell the tab what to do, and keep the focus afterwards.
(() => {
  const table = () => document.getElementById("feedback-table");
  let last = null;

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("#feedback-table button[data-act]");
    if (!button) return;
    const rows = Array.from(table().querySelectorAll("tbody tr"));
    last = { id: button.dataset.id, row: rows.indexOf(button.closest("tr")) };
    const box = document.querySelector(
      button.dataset.act === "open" ? "#feedback-open :is(textarea, input)" : "#feedback-act :is(textarea, input)",
    );
    const asked = `${button.dataset.act} ${button.dataset.id} ${Date.now()}`;
    Object.getOwnPropertyDescriptor(Object.getPrototypeOf(box), "value").set.call(box, asked);
    box.dispatchEvent(new Event("input", { bubbles: true }));
  });

  // The table is drawn anew after each act: the focus goes back to the row, or to the one in its place.
  new MutationObserver(() => {
    if (!last || document.activeElement !== document.body || !table()?.offsetParent) return;
    const rows = table().querySelectorAll("tbody tr");
    const same = table().querySelector(`button[data-id="${CSS.escape(last.id)}"]`);
    (same ?? rows[Math.min(last.row, rows.length - 1)]?.querySelector("button"))?.focus();
    last = null;
  }).observe(document.documentElement, { subtree: true, childList: true });
})();
