// The reference implementation of JSONata as an oracle: one request a line on stdin, one answer a line on stdout.
// Request: {"expr": string, "input": any JSON (absent: undefined)}.
// Answer: {"result": any} | {"undefined": true} | {"code", "token", "position"} | {"crash": string}.
'use strict';

const jsonata = require('jsonata');
const lines = require('readline').createInterface({ input: process.stdin, crlfDelay: Infinity });

async function answer({ expr, input }) {
  let result;
  try {
    result = await jsonata(expr, { timeout: 300, stack: 2000 }).evaluate(input);
  } catch (e) {
    if (e && e.code) {
      return { code: e.code, token: e.token === undefined ? undefined : String(e.token), position: e.position };
    }
    return { crash: String(e) };
  }
  return printable(result);
}

// Functions have no JSON; what they leave behind in the reference (internal objects) is not compared.
function printable(result) {
  const seen = new Set();
  const hasFunction = (v) => {
    if (typeof v === 'function') return true;
    if (v === null || typeof v !== 'object') return false;
    if (seen.has(v)) return false;
    seen.add(v);
    if (v._jsonata_function || v._jsonata_lambda) return true;
    return Object.values(v).some(hasFunction);
  };
  if (hasFunction(result)) return { function: true };
  if (result === undefined) return { undefined: true };
  try {
    return { result: JSON.parse(JSON.stringify(result)) };
  } catch (e) {
    return { crash: String(e) };
  }
}

(async () => {
  for await (const line of lines) {
    process.stdout.write(JSON.stringify(await answer(JSON.parse(line))) + '\n');
  }
})();
