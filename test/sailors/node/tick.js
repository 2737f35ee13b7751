exports.process = async function tick() {
  return { body: { ticked: true } };
};
