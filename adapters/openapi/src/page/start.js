"use strict";

// The colors that the browser is set to. The class is that of the viewer's style.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const wear = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", wear);
wear();

// The viewer leaves out names for those who do not see what stands beside a control, and has links within buttons.
const NAMES = {
  "textarea.body-param__text": "Request body",
  "select#servers": "Server",
  "select.examples-select-element": "Example",
  "select.content-type": "Media type",
  "input.operation-filter-input": "Filter by tag",
};
const complete = () => {
  for (const [selector, name] of Object.entries(NAMES)) {
    for (const control of document.querySelectorAll(`${selector}:not([aria-label])`)) {
      control.setAttribute("aria-label", name);
    }
  }
  for (const link of document.querySelectorAll("button.opblock-summary-control a[href]")) {
    link.removeAttribute("href");
  }
};
new MutationObserver(complete).observe(document.getElementById("viewer"), { childList: true, subtree: true });

// Relative to the page, which may be below any path.
const bundle = window.SwaggerUIBundle;
window.viewer = bundle({
  url: "openapi.json",
  dom_id: "#viewer",
  deepLinking: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  filter: true,
  tryItOutEnabled: true,
  // Otherwise, a badge asks a validator on another site.
  validatorUrl: null,
  presets: [bundle.presets.apis],
  layout: "BaseLayout",
  onComplete: () => {
    const { title } = window.viewer.specSelectors.info().toJS();
    document.title = title;
  },
});
