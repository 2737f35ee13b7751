'use strict';

const { version } = require('elasticio-sailor-nodejs/package.json');

// Hands the body on with what a test wants to know: the message's id, the library's version, and data.word, which shows that the step's
// configuration was read. A body with "crash" ends the process with that code, as a bug would.
exports.process = async function relay(msg, cfg) {
  if (msg.body.crash) process.exit(Number(msg.body.crash));
  await this.emit('data', { body: { ...msg.body, message: msg.id, word: cfg.word, library: version } });
};
