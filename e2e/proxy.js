// A proxy with Node's own limits: node proxy.js PORT UPSTREAM-PORT
'use strict';
const http = require('node:http');
const [port, upstream] = process.argv.slice(2).map(Number);

http.createServer((request, answer) => {
  const { method, url: path, headers } = request;
  const onward = http.request({ host: '127.0.0.1', port: upstream, method, path, headers }, (got) => {
    answer.writeHead(got.statusCode, got.rawHeaders);
    got.pipe(answer);
  });
  onward.on('error', () => {
    if (!answer.headersSent) answer.writeHead(502);
    answer.end();
  });
  request.pipe(onward);
}).listen(port, '127.0.0.1');
