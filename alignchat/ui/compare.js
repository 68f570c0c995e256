// The tab Compare: its keys and its votes. Votes go to votes.js; the page is told once they are saved.
(() => {
  const KEYS = {
    1: "verdict-left", ArrowLeft: "verdict-left", 2: "verdict-right", ArrowRight: "verdict-right",
    t: "verdict-tie", b: "verdict-both-bad", s: "verdict-skip", u: "verdict-undo",
  };
  const VERDICTS = {
    "verdict-left": "left", "verdict-right": "right", "verdict-tie": "tie", "verdict-both-bad": "both_bad",
    "verdict-undo": null,
  };
  const byId = (id) => document.getElementById(id);
  const typing = () => /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName ?? "");
  const visible = (element) => Boolean(element && element.offsetParent !== null);
  const box = () => byId("compare-prompt")?.querySelector("textarea");
  const shown = () => byId("comparison")?.dataset.id;
  let voting = null; // the comparison whose vote is on its way

  const vote = async (verdict) => {
    const id = shown();
    if (!id || voting === id) return;
    voting = id;
    byId("verdicts").classList.add("under-way");
    try {
      await window.alignchat.vote({ comparison_id: id, verdict });
      if (shown() === id) byId(verdict === null ? "compare-taken-back" : "compare-voted").click();
    } catch {
      // votes.js has said why.
    }
    if (voting === id) voting = null;
    byId("verdicts").classList.remove("under-way");
  };

  document.addEventListener("keydown", (event) => {
    if (!visible(byId("compare-prompt"))) return;
    if (event.key === "Enter" && !event.shiftKey && event.target.closest?.("#compare-prompt")) {
      setTimeout(() => event.target.blur());
      return;
    }
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || typing()) return;
    if (event.key === "Enter" && !event.target.closest("button, a")) return setTimeout(() => box()?.focus());
    if (event.key.startsWith("Arrow") && event.target.closest("[role=tablist]")) return;
    const button = byId(KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key]);
    if (visible(button) && !button.disabled) button.click();
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("button");
    if (button && button.id in VERDICTS && !button.disabled) {
      vote(VERDICTS[button.id]);
      button.blur();
    }
    if (button?.id === "suggest" || button?.id === "verdict-skip") box()?.focus();
  });
})();
