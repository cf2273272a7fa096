"use strict";

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
