// What all tabs share: the page's language, and names of icons that the components leave in English.
(() => {
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
    if (document.querySelector("#reload .now")) location.reload(); // Another model is open now.
    for (const button of document.querySelectorAll("#chat .message-buttons button")) name(button, head);
  }).observe(document.documentElement, { subtree: true, childList: true, attributeFilter: ["aria-label"] });
})();
