const { note } = require('./notes.js');

exports.startup = async function startup(cfg) {
  note(`startup ${JSON.stringify(cfg)}`);
  return { subscription: 'sub-1' };
};

exports.init = async function init(cfg) {
  note(`init ${JSON.stringify(cfg)}`);
};

exports.process = async function hooked(msg) {
  return { body: msg.body };
};

exports.shutdown = async function shutdown(cfg, data) {
  note(`shutdown ${JSON.stringify(cfg)} ${JSON.stringify(data)}`);
};
