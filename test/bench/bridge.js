// What one writes in an afternoon instead of Shunt: HTTP on one side, amqplib on the other.
//
//     node bridge.js call PORT AMQP_PORT QUEUE           each request becomes an RPC, its reply the answer
//     node bridge.js event PORT AMQP_PORT QUEUE          each request becomes a confirmed message, then 202
//     node bridge.js serve AMQP_PORT QUEUE SERVICE_PORT  each message becomes a request, its answer the reply
'use strict';
const { randomUUID } = require('crypto');
const http = require('http');
const amqp = require('amqplib');

const connect = (port) => amqp.connect(`amqp://guest:guest@127.0.0.1:${port}`);

function readBody(stream, done) {
  const parts = [];
  stream.on('data', (part) => parts.push(part));
  stream.on('end', () => done(Buffer.concat(parts)));
}

async function call(port, amqpPort, queue) {
  const channel = await (await connect(amqpPort)).createChannel();
  const waiting = new Map();
  await channel.consume('amq.rabbitmq.reply-to', (message) => {
    const answer = waiting.get(message.properties.correlationId);
    waiting.delete(message.properties.correlationId);
    answer?.end(message.content);
  }, { noAck: true });
  http.createServer((request, answer) => readBody(request, (body) => {
    const correlationId = randomUUID();
    waiting.set(correlationId, answer);
    const headers = { ':method': request.method, ':path': request.url };
    channel.sendToQueue(queue, body, { correlationId, replyTo: 'amq.rabbitmq.reply-to', headers });
  })).listen(port, '127.0.0.1');
}

async function event(port, amqpPort, queue) {
  const channel = await (await connect(amqpPort)).createConfirmChannel();
  http.createServer((request, answer) => readBody(request, (body) => {
    const headers = { ':method': request.method, ':path': request.url };
    channel.sendToQueue(queue, body, { persistent: true, mandatory: true, messageId: randomUUID(), headers }, (error) => {
      answer.statusCode = error ? 503 : 202;
      answer.end();
    });
  })).listen(port, '127.0.0.1');
}

async function serve(amqpPort, queue, servicePort) {
  const channel = await (await connect(amqpPort)).createChannel();
  const agent = new http.Agent({ keepAlive: true });
  await channel.assertQueue(queue, { durable: true });
  await channel.prefetch(64);
  await channel.consume(queue, (message) => {
    const { headers, replyTo, correlationId } = message.properties;
    const options = {
      agent, port: servicePort, host: '127.0.0.1', method: headers[':method'], path: headers[':path'],
      headers: { 'content-length': message.content.length },
    };
    http.request(options, (answer) => readBody(answer, (body) => {
      channel.sendToQueue(replyTo, body, { correlationId, headers: { ':status': answer.statusCode } });
      channel.ack(message);
    })).end(message.content);
  });
  console.log('serving');
}

const [role, ...rest] = process.argv.slice(2);
({ call, event, serve })[role](...rest);
