// Parses an AsyncAPI document, and prints what is wrong with it, or how many messages it has.
const { readFileSync } = require("node:fs");
const [parserPath, file] = process.argv.slice(2);
const { Parser } = require(parserPath);

new Parser().parse(readFileSync(file, "utf8")).then(({ document, diagnostics }) => {
  // 0 is an error, 1 a warning.
  const faults = diagnostics.filter(({ severity }) => severity === 0);
  for (const { message, path } of faults) {
    console.log(`${path.join(".")}: ${message}`);
  }
  for (const { message, path, severity } of diagnostics) {
    if (severity !== 0) console.error(`${path.join(".")}: ${message}`);
  }
  if (document === undefined || faults.length > 0) process.exit(1);
  console.log(`${document.allMessages().length} messages`);
});
