// What the scenarios of outside.py ask for, served by Node: node node_server.js http1|h2 PORT
"use strict";
const crypto = require("crypto");
const [kind, port] = process.argv.slice(2);

let aborted = 0;

function whole(request, then) {
  const hash = crypto.createHash("sha256");
  request.on("data", (data) => hash.update(data));
  request.on("end", () => then(hash.digest("hex")));
}

const paths = {
  "/small": (request, response) => response.end("small"),
  "/hash": (request, response) => whole(request, (digest) => response.end(digest)),
  "/echo": (request, response) => request.pipe(response),
  "/cookies": (request, response) => {
    response.setHeader("Set-Cookie", ["a=1, x", "b=2"]);
    response.end();
  },
  "/hints": (request, response) => {
    response.writeEarlyHints({ link: "</style.css>; rel=preload" });
    response.end("hinted");
  },
  "/trailers": (request, response) => whole(request, () => {
    response.setHeader("Trailer", "X-Down");
    response.write("body");
    response.addTrailers({ "X-Down": `got ${request.trailers["x-up"]}` });
    response.end();
  }),
  "/none": (request, response) => {
    response.statusCode = 204;
    response.end();
  },
  "/refuse": (request, response) => {
    response.statusCode = 413;
    response.end("too much");
  },
  "/endless": (request, response) => {
    const timer = setInterval(() => response.write("again"), 20);
    response.on("close", () => {
      clearInterval(timer);
      aborted += 1;
    });
  },
  "/aborted": (request, response) => response.end(String(aborted)),
};

function serve(request, response) {
  paths[request.url.split("?")[0]](request, response);
}

const library = require(kind === "h2" ? "http2" : "http");
library.createServer({}, serve).listen(Number(port), "127.0.0.1");
