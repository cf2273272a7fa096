"use strict";

// The colors that the browser is set to. The class is that of the viewer's style.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const wear = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", wear);
wear();

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
