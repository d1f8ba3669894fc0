// The suite's origin server, on loopback only: `node server.mjs PACKAGE PORT`.
//
// The package's own server listens on every address and serves its directory; this one has the three routes
// the tests use.
import http from 'node:http'
import path from 'node:path'
import process from 'node:process'
import { pathToFileURL } from 'node:url'

const [root, port] = process.argv.slice(2)
const part = async name => (await import(pathToFileURL(path.join(root, 'server', name)))).default
const routes = {
  config: await part('handle-config.mjs'),
  state: await part('handle-state.mjs'),
  test: await part('handle-test.mjs')
}

const server = http.createServer((request, response) => {
  const [, route, ...rest] = new URL(request.url, 'http://localhost').pathname.split('/')
  if (Object.hasOwn(routes, route)) {
    routes[route](rest, request, response)
  } else {
    response.writeHead(404).end()
  }
})
// The client keeps connections; one that is closed under a request would look like the proxy's fault.
server.keepAliveTimeout = 60_000
server.listen(Number(port), '127.0.0.1', () => console.log(`listening on 127.0.0.1:${server.address().port}`))
