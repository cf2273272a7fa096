// Live updates: the page is asked for again, and what has changed in it is replaced. Without this script, all works but that.
(() => {
  "use strict";
  const every = 2000;
  const told = document.getElementById("told");
  const live = () => [...document.querySelectorAll("[data-live]")];
  if (live().length === 0) return;

  const button = document.createElement("button");
  button.type = "button";
  let paused = false;
  const show = () => {
    button.textContent = paused ? "Go on with updates" : "Hold updates";
  };
  button.addEventListener("click", () => {
    paused = !paused;
    show();
    if (!paused) look();
  });
  show();
  document.getElementById("tools").append(button);

  // Nobody loses what they are about to press or write.
  const isUsed = (element) => element !== document.activeElement && element.contains(document.activeElement);

  const replace = (next) => {
    for (const element of live()) {
      const other = element.id && next.getElementById(element.id);
      if (!other || isUsed(element) || other.innerHTML === element.innerHTML) continue;
      const before = element.textContent;
      element.replaceChildren(...[...other.childNodes].map((node) => document.importNode(node, true)));
      if (element.hasAttribute("data-told") && element.textContent !== before) told.textContent = element.textContent;
    }
  };

  let isLooking = false;
  const look = async () => {
    if (paused || isLooking || document.hidden) return;
    isLooking = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, signal: AbortSignal.timeout(10000) });
      if (answer.ok) replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
      document.documentElement.toggleAttribute("data-stale", !answer.ok);
    } catch {
      document.documentElement.toggleAttribute("data-stale", true);
    }
    isLooking = false;
  };
  setInterval(look, every);
  document.addEventListener("visibilitychange", look);
})();
