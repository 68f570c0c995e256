// Keys of the tab Compare, where the cursor goes, and names of icons that the components leave in English.
(() => {
  const KEYS = { 1: "verdict-left", 2: "verdict-right", t: "verdict-tie", b: "verdict-both-bad" };
  const byId = (id) => document.getElementById(id);
  const typing = () => /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName ?? "");
  const visible = (element) => element && element.offsetParent !== null;

  // The thumbs: what is marked must be said in the page's language, and be known to screen readers.
  const name = (button, head) => {
    const label = button.getAttribute("aria-label");
    const marked = { Liked: head?.dataset.liked, Disliked: head?.dataset.disliked }[label];
    if (marked) [button.ariaLabel, button.title, button.ariaPressed] = [marked, marked, "true"];
    else if (label !== head?.dataset.liked && label !== head?.dataset.disliked) button.ariaPressed = null;
  };
  new MutationObserver(() => {
    const head = document.querySelector("header.head");
    if (head && document.documentElement.lang !== head.lang) document.documentElement.lang = head.lang;
    for (const button of document.querySelectorAll("#chat .message-buttons button")) name(button, head);
  }).observe(document.documentElement, { subtree: true, childList: true, attributeFilter: ["aria-label"] });

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
    if (id === "again" || id === "new-chat" || id === "send") byId("message")?.querySelector("textarea")?.focus();
  });
})();
