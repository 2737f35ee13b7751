// Leads the tests of amqplib, which know AMQP's own port only, to the broker of the test.
const net = require('net');

const connect = net.connect;
net.connect = (options, ...rest) =>
  connect(Number(options.port) === 5672 ? { ...options, port: process.env.LEAT_TEST_PORT } : options, ...rest);
