// Does what the message's member "do" says, in the style of ferryman: content is in data.
require('../node/notes.js');

const seen = {}; // how often each number came

exports.process = async function act(msg, cfg, snapshot) {
  const { data } = msg;
  seen[data.n] = (seen[data.n] || 0) + 1;
  return deeds[data.do].call(this, data, cfg, snapshot);
};

const deeds = {
  echo(data) {
    return { data };
  },
  async throw(data) {
    throw new Error(data.text);
  },
  async many(data) {
    for (let i = 1; i <= 3; i += 1) {
      await this.emit('data', { data: { n: data.n, i } });
    }
  },
  async rebound(data) {
    if (data.times && seen[data.n] > data.times) {
      return { data: { n: data.n } };
    }
    await this.emit('rebound', new Error(data.text));
    return undefined;
  },
  async snapshot(data) {
    await this.emit('snapshot', { a: data.n, b: 1 });
    await this.emit('updateSnapshot', { b: 2 });
  },
  async reply(data) {
    await this.emit('httpReply', { statusCode: 201, body: { text: data.text }, headers: { 'x-reply': 'own' } });
  },
  info(data, cfg, snapshot) {
    return { data: { n: data.n, cfg, snapshot } };
  },
};
