// Makes a mail of a request, for the kill tests, and tells its process id.
if (process.env.SAILOR_PID) {
  require('fs').writeFileSync(process.env.SAILOR_PID, String(process.pid));
}

exports.process = async function mail(msg) {
  // With the id of its input, what a message makes has the same id each time that it's processed.
  return { id: msg.id, body: { to: 'someone@example.com', subject: 'worked', textBody: msg.body.id } };
};
