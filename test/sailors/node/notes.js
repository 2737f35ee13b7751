// Notes for the test: one line a deed in $SAILOR_NOTES/FLOW.STEP; beside it, the process's environment and id
// ($SAILOR_PID if it's another one's).
const fs = require('fs');
const path = require('path');

const step = `${process.env.ELASTICIO_FLOW_ID}.${process.env.ELASTICIO_STEP_ID.replace(/:/g, '~')}`;
const file = process.env.SAILOR_NOTES && path.join(process.env.SAILOR_NOTES, step);

exports.note = function note(text) {
  if (file) {
    fs.appendFileSync(file, text + '\n');
  }
};

if (file) {
  fs.writeFileSync(file + '.env', JSON.stringify(process.env));
  fs.writeFileSync(file + '.pid', process.env.SAILOR_PID || String(process.pid));
}
