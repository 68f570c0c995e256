// The tab Compare: its keys, and where the cursor goes.
(() => {
  const KEYS = { 1: "verdict-left", 2: "verdict-right", t: "verdict-tie", b: "verdict-both-bad" };
  const byId = (id) => document.getElementById(id);
  const typing = () => /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName ?? "");
  const visible = (element) => element && element.offsetParent !== null;

  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && event.target.closest?.("#compare-prompt")) {
      setTimeout(() => event.target.blur());
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || typing()) return;
    const button = byId(KEYS[event.key.toLowerCase()]);
    if (visible(button) && !button.disabled) button.click();
  });

  document.addEventListener("click", (event) => {
    const id = event.target.closest?.("button")?.id ?? "";
    if (id.startsWith("verdict-") || id === "suggest") byId("compare-prompt")?.querySelector("textarea")?.focus();
  });
})();
