// The reference implementation of JSONata as an oracle: one request a line on stdin, one answer a line on stdout.
// Request: {"expr": string, "input": any JSON (absent: undefined), "mend": [faults] (see faults.js; absent: none)}.
// Answer: {"result": any} | {"undefined": true} | {"code", "token", "position"} | {"crash": string}.
'use strict';

const { faults, load } = require('./faults');
const lines = require('readline').createInterface({ input: process.stdin, crlfDelay: Infinity });
const builds = new Map([['', require('jsonata')]]);

// limits are the codes of what the options below end: a stack too deep, and a time too long.
const limits = ['D1011', 'D1012'];

// limitWithin finds a limit in what $eval throws, which says by itself just that there was an error.
function limitWithin(e) {
  if (!e || limits.includes(e.code)) return e;
  return e.code === 'D3121' ? limitWithin(e.error) : undefined;
}

function build(names) {
  const key = names.join();
  if (!builds.has(key)) builds.set(key, load(names));
  return builds.get(key);
}

async function answer({ expr, input, mend }) {
  let result;
  try {
    result = await build(mend || [])(expr, { timeout: 300, stack: 2000 }).evaluate(input);
  } catch (thrown) {
    const e = limitWithin(thrown) || thrown;
    if (e && e.code) {
      return { code: e.code, token: e.token === undefined ? undefined : String(e.token), position: e.position };
    }
    return { crash: String(e) };
  }
  return printable(result);
}

// Functions have no JSON: they are left out, as JSON.stringify leaves out those of JavaScript.
function printable(result) {
  try {
    const text = JSON.stringify(result, (_, v) => (v && (v._jsonata_function || v._jsonata_lambda) ? undefined : v));
    return text === undefined ? { undefined: true } : { result: JSON.parse(text) };
  } catch (e) {
    return { crash: String(e) };
  }
}

(async () => {
  if (process.argv[2] === 'faults') {
    load(Object.keys(faults));
    console.log(JSON.stringify(Object.keys(faults)));
    return;
  }
  for await (const line of lines) {
    process.stdout.write(JSON.stringify(await answer(JSON.parse(line))) + '\n');
  }
})();
