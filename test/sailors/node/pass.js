const { note } = require('./notes.js');

exports.process = async function pass(msg) {
  note(`begin ${msg.body.n}`);
  return { body: Object.assign({}, msg.body, { path: (msg.body.path || '') + '/' + process.env.ELASTICIO_STEP_ID }) };
};
