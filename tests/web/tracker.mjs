// A WebSocket and HTTP tracker for the tests: node tracker.mjs ADDRESS [PORT].
// Prints its port, then a line for every announce; ends with its standard input.
import Server from 'bittorrent-tracker/server'

const [address, port = 0] = process.argv.slice(2)
const server = new Server({ udp: false, interval: 120_000 })
server.on('error', error => console.error(error.message))
server.on('warning', error => console.error(error.message))
for (const event of ['start', 'update', 'complete', 'stop']) {
  server.on(event, (_, { info_hash: hash }) => console.log(event, hash))
}
server.http.on('upgrade', request => console.log('asked', request.url))
server.listen(Number(port), { http: address }, () => console.log(server.http.address().port))
process.stdin.on('end', () => process.exit()).resume()
