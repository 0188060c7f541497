// The live client: one stream for each browser, shared by its tabs; it comes back where it was, without gap or double.
// The tab that holds the lock leads: it reads the stream and passes everything on. The others listen, and take over when
// it goes. Each tab knows the last number it saw, so a new leader goes on after exactly that. `fetch` reads the stream
// instead of EventSource: it sees beats and status codes, and never opens a stream that has forgotten where it was.

const BEAT_MS = 15_000
const KEPT = 500 // events that a leader keeps for tabs that open while it is reading

export function openLive({ realm, person, after, onEvent, onReset, onConnected }) {
  const name = `sahut-live-${realm}-${person}` // tabs of two persons share nothing
  const channel = "BroadcastChannel" in self ? new BroadcastChannel(name) : null
  const address = `/api/v1/live?${realm === "agent" ? "desk=1&" : ""}after=`
  let seen = after, heardAt = Date.now(), tries = 0, connected = true
  let leading = false, reading = null, timer = 0, kept = [], keptFrom = after

  function take(message) { // what the stream said, first hand or from the leader
    heardAt = Date.now()
    connected = message.state ?? true
    onConnected(connected)
    if (message.state !== undefined) return
    if (message.reset) { seen = message.n; return onReset() }
    if (message.event) { if (message.n > seen) { seen = message.n; onEvent(message.event) } }
    else if (message.n > seen) seen = message.n
  }

  function tell(message) { // only the leader
    if (message.event) { kept.push(message); if (kept.length > KEPT) keptFrom = kept.shift().n }
    if (message.reset) { kept = []; keptFrom = message.n }
    take(message)
    channel?.postMessage(message)
  }

  async function read() {
    clearTimeout(timer)
    reading?.abort()
    const mine = reading = new AbortController()
    let wait = 0
    try {
      const answer = await fetch(address + seen, { signal: mine.signal, cache: "no-store", headers: { accept: "text/event-stream", "sahut-person": person } })
      if ([401, 403, 409].includes(answer.status)) return location.reload() // 409: somebody else is signed in now
      if (!answer.ok) { wait = 1000 * (Number(answer.headers.get("retry-after")) || 0); throw new Error(answer.status) }
      const source = answer.body.pipeThrough(new TextDecoderStream()).getReader()
      for (let rest = ""; ;) {
        const { value, done } = await source.read()
        if (done) break
        tries = 0
        const blocks = (rest + value).split("\n\n")
        rest = blocks.pop()
        for (const block of blocks) hear(block)
      }
    } catch { /* told below, whatever it was */ }
    if (mine !== reading || !leading) return
    tell({ state: false })
    wait = Math.max(wait, Math.min(20_000, 300 * 2 ** tries++)) * (0.5 + Math.random() / 2)
    timer = setTimeout(read, wait)
  }

  function hear(block) {
    let kind = "message", data = "", n = 0
    for (const line of block.split("\n")) {
      const at = line.indexOf(": "), key = line.slice(0, at), value = line.slice(at + 2)
      if (key === "event") kind = value
      else if (key === "data") data = value
      else if (key === "id") n = Number(value)
    }
    if (kind === "reset") tell({ n, reset: true })
    else if (kind === "message" && data) tell({ n, event: JSON.parse(data) })
    else tell({ n }) // ready, or a beat
  }

  function lead() {
    leading = true
    kept = []
    keptFrom = seen
    read()
    return new Promise(() => {}) // holds the lock for as long as the tab lives, or until another takes it
  }

  function follow(options = {}) {
    const stopped = () => { leading = false; reading?.abort(); clearTimeout(timer) }
    navigator.locks.request(name, options, lead).catch(() => { stopped(); follow() })
  }

  function look() { // after sleep, a change of network, or silence: is anybody still reading?
    if (Date.now() - heardAt < 2 * BEAT_MS + 2000) return
    onConnected(false)
    if (leading) { heardAt = Date.now(); read() }
    else if (document.visibilityState === "visible" && navigator.locks) { heardAt = Date.now(); follow({ steal: true }) }
  }

  function again() { // now, not when the timer says so
    if (leading) { tries = 0; read() } else { channel?.postMessage({ again: true }); look() }
  }

  channel?.addEventListener("message", ({ data }) => {
    if (data.hello !== undefined) {
      if (!leading) return
      if (data.hello < keptFrom) channel.postMessage({ for: data.from, n: seen, reset: true })
      else for (const one of kept) if (one.n > data.hello) channel.postMessage({ ...one, for: data.from })
    } else if (data.again) { if (leading) again() }
    else if (data.for === undefined || data.for === me) take(data)
  })
  const me = crypto.getRandomValues(new Uint32Array(2)).join("-")
  if (navigator.locks && channel) {
    follow()
    channel.postMessage({ hello: seen, from: me })
  } else lead() // an old browser: a stream for each tab
  setInterval(look, 5000)
  for (const event of ["online", "pageshow"]) addEventListener(event, () => (!connected || Date.now() - heardAt > 2000) && again())
  // What the browser calls offline may still reach us: only a new request tells.
  addEventListener("offline", () => leading && again())
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && look())
  return { again }
}
