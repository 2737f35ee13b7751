// elastic.io's mapper: each member of "mapper" is a JSONata expression over the body.
const jsonata = require('jsonata');

exports.process = async function jsonataMap(msg, cfg) {
  const body = {};
  for (const [name, expression] of Object.entries(cfg.mapper)) {
    const value = await jsonata(expression).evaluate(msg.body);
    if (value !== undefined) {
      body[name] = value;
    }
  }
  return { body };
};
