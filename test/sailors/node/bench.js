// Hands messages on, for the benchmark. Each step leaves its process id in $BENCH/STEP.pid; the last one also writes, for each message, when it came
// and how long it had been on its way, in ms.
const fs = require('fs');
const path = require('path');
const { performance } = require('perf_hooks');

const step = process.env.ELASTICIO_STEP_ID;
const folder = process.env.BENCH;
const last = step === process.env.BENCH_LAST;
let lines = '';

fs.writeFileSync(path.join(folder, `${step}.pid`), String(process.pid));
if (last) {
  setInterval(() => {
    if (lines) {
      fs.appendFileSync(path.join(folder, 'times'), lines);
      lines = '';
    }
  }, 100).unref();
}

exports.process = async function bench(msg) {
  if (last) {
    const now = performance.timeOrigin + performance.now();
    lines += `${now.toFixed(3)} ${(now - (msg.body.sent || now)).toFixed(3)}\n`;
  }
  return { body: msg.body };
};
