// Hands messages on as they are.
require('./notes.js');

exports.process = async function plain(msg) {
  return { body: msg.body };
};
