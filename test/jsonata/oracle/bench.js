// Measures the reference: node bench.js eval|json|compile ROUNDS prints nanoseconds a round.
'use strict';

const fs = require('fs');
const jsonata = require('jsonata');
const source = fs.readFileSync('../testdata/mapping.jsonata', 'utf8');
const text = fs.readFileSync('../testdata/message.json', 'utf8');
const [what, rounds] = [process.argv[2], Number(process.argv[3])];

(async () => {
  const e = jsonata(source);
  const input = JSON.parse(text);
  const once = {
    eval: () => e.evaluate(input),
    json: async () => JSON.stringify(await e.evaluate(JSON.parse(text))),
    compile: () => jsonata(source),
  }[what];
  for (let i = 0; i < 1000; i++) await once();
  const start = process.hrtime.bigint();
  for (let i = 0; i < rounds; i++) await once();
  console.log(Number(process.hrtime.bigint() - start) / rounds);
})();
