// Does what the body's member "do" says, in the style that every generation of the library knows.
const { note } = require('./notes.js');

const seen = {}; // how often each number came

exports.process = async function act(msg, cfg, snapshot) {
  const body = msg.body;
  note(`begin ${body.n}`);
  seen[body.n] = (seen[body.n] || 0) + 1;
  const result = await deeds[body.do].call(this, body, cfg, snapshot, msg);
  note(`end ${body.n}`);
  return result;
};

const deeds = {
  echo(body, cfg, snapshot, msg) {
    return { body, headers: { 'x-own': 'yes' }, attachments: msg.attachments };
  },
  async emit(body) {
    await this.emit('data', { body });
  },
  async throw(body) {
    throw new Error(body.text);
  },
  async emitError(body) {
    await this.emit('error', new Error(body.text));
  },
  async rebound(body) {
    if (body.times && seen[body.n] > body.times) {
      return { body };
    }
    await this.emit('rebound', new Error(body.text));
  },
  async snapshot(body) {
    await this.emit('snapshot', { a: body.n, b: 1 });
    await this.emit('updateSnapshot', { b: 2 });
  },
  async reply(body) {
    await this.emit('httpReply', {
      statusCode: 201,
      body: JSON.stringify({ text: body.text }),
      headers: { 'content-type': 'application/json', 'x-reply': 'own' },
    });
  },
  async keys(body) {
    await this.emit('updateKeys', { oauth: { token: body.text } });
  },
  async many(body) {
    for (let i = 1; i <= 3; i += 1) {
      await this.emit('data', { body: { n: body.n, i } });
    }
  },
  async key(body) {
    await this.emit('data', { body, headers: { 'X-EIO-Routing-Key': body.key } });
  },
  async slow(body) {
    await new Promise(done => { setTimeout(done, body.ms); });
    return { body };
  },
  poison(body) {
    setTimeout(() => { throw new Error('poison'); }, 0);
    return new Promise(() => {}); // the process dies first
  },
  nothing() {
  },
  info(body, cfg, snapshot) {
    return { body: { n: body.n, cfg, snapshot: snapshot || {} } };
  },
};
