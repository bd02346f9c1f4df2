// The scenarios of outside.py, asked by Node: node node_client.js http1|h2 PORT; prints what it got as JSON.
"use strict";
const crypto = require("crypto");
const http = require("http");
const http2 = require("http2");
const [kind, port] = process.argv.slice(2);
const large = Buffer.alloc(3 << 20, (i) => i);
for (let i = 0; i < large.length; i += 1) large[i] = i % 251;

const agent = new http.Agent({ keepAlive: true });
const session = kind === "h2" ? http2.connect(`http://127.0.0.1:${port}`) : null;

function open1(method, path, headers) {
  return http.request({ host: "127.0.0.1", port, method, path, headers, agent });
}

// One call; `body` in pieces, `trailers` behind it, `enough`: so many bytes of the answer are, then the client gives up.
function call(method, path, { body, headers = {}, trailers, enough } = {}) {
  return new Promise((resolve, reject) => {
    const got = { body: Buffer.alloc(0), trailers: {}, hints: [] };
    const request = kind === "h2"
      ? session.request({ ":method": method, ":path": path, ...headers, ...(trailers ? { trailer: "X-Up" } : {}) },
        { endStream: body === undefined && !trailers, waitForTrailers: Boolean(trailers) })
      : open1(method, path, trailers ? { ...headers, "Transfer-Encoding": "chunked", Trailer: "X-Up" } : headers);
    const take = (stream) => {
      stream.on("error", (error) => (enough ? resolve(got) : reject(error)));
      stream.on("data", (data) => {
        got.body = Buffer.concat([got.body, data]);
        if (enough && got.body.length >= enough) {
          (kind === "h2" ? request : stream).on("close", () => resolve(got));
          if (kind === "h2") request.close(http2.constants.NGHTTP2_CANCEL); else request.destroy();
        }
      });
      stream.on("end", () => resolve({ ...got, trailers: kind === "h2" ? got.trailers : stream.trailers }));
    };
    request.on("error", (error) => (enough ? resolve(got) : reject(error)));
    if (kind === "h2") {
      request.on("headers", (hints) => got.hints.push([].concat(hints.link)[0]));
      request.on("response", (head) => { got.status = head[":status"]; got.headers = head; });
      request.on("trailers", (fields) => { got.trailers = fields; });
      request.on("wantTrailers", () => request.sendTrailers(trailers));
      take(request);
    } else {
      request.on("information", (info) => got.hints.push(info.headers.link));
      request.on("response", (response) => {
        got.status = response.statusCode;
        got.headers = response.headers;
        take(response);
      });
      if (trailers) request.addTrailers(trailers);
    }
    if (kind !== "h2" || body !== undefined || trailers) request.end(body);
  });
}

function digest(data) {
  return crypto.createHash("sha256").update(data).digest("hex");
}

async function until(path, wanted) {
  for (;;) {
    const { body } = await call("GET", path);
    if (body.toString() === wanted) return wanted;
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
}

async function main() {
  const said = {};
  const small = await call("GET", "/small");
  said.small = [small.status, small.body.toString()];
  said.hash = (await call("POST", "/hash", { body: large })).body.toString();
  said.echo = digest((await call("POST", "/echo", { body: large })).body);
  said.cookies = (await call("GET", "/cookies")).headers["set-cookie"];
  const hinted = await call("GET", "/hints");
  said.hints = [hinted.hints, hinted.body.toString()];
  const traded = await call("POST", "/trailers", { body: "x", trailers: { "X-Up": "1" } });
  said.trailers = [traded.body.toString(), traded.trailers["x-down"]];
  said.none = (await call("GET", "/none")).status;
  const head = await call("HEAD", "/small");
  said.head = [head.status, head.body.length];
  said.refuse = (await call("POST", "/refuse", { body: "y" })).status;
  const many = await Promise.all(Array.from({ length: 60 }, () => call("POST", "/echo", { body: "z" })));
  said.parallel = many.filter((got) => got.status === 200 && got.body.toString() === "z").length;
  await call("GET", "/endless", { enough: 10 });
  said.aborted = await until("/aborted", "1");
  process.stdout.write(JSON.stringify(said));
  if (session) session.close();
  agent.destroy();
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
