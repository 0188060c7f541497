// The outbox: what was written stays in this browser until we have it. Each message keeps its id for all repetitions, so
// it arrives once; its dashed bubble goes when the real one comes back over the stream with the same id.

export class Outbox {
  // `name`: where it is kept. `send(entry)`: the request. `show(entries)`: draws the waiting bubbles.
  // `refused(entry, problem)`: gives the text back to the person.
  constructor({ name, send, show, refused }) {
    Object.assign(this, { name, send, show, refused, tries: 0, timer: 0 })
    addEventListener("storage", (event) => event.key === this.name && this.show(this.entries))
    addEventListener("online", () => this.flush())
  }

  get entries() {
    return entriesIn(this.name)
  }

  set entries(entries) {
    if (entries.length) localStorage.setItem(this.name, JSON.stringify(entries))
    else localStorage.removeItem(this.name)
    this.show(entries)
  }

  add(entry) {
    this.entries = [...this.entries, { id: newId(), at: Date.now(), ...entry }]
    return this.flush()
  }

  change(id, more) {
    this.entries = this.entries.map((entry) => (entry.id === id ? { ...entry, ...more } : entry))
  }

  // The real message is on the page.
  arrived(id) {
    const entries = this.entries, left = entries.filter((entry) => entry.id !== id)
    if (left.length !== entries.length) this.entries = left
  }

  // Send what waits, in order, one tab at a time.
  flush() {
    clearTimeout(this.timer)
    const work = () => this.sendAll()
    return navigator.locks ? navigator.locks.request(this.name, work) : work()
  }

  async sendAll() {
    for (const entry of this.entries.filter((entry) => !entry.receipt)) {
      let answer
      try { answer = await this.send(entry) } catch { return this.later() }
      if (answer.status === 401) return location.reload()
      if (answer.status === 429 || answer.status >= 500) return this.later(answer.headers.get("retry-after"))
      const body = await answer.json().catch(() => ({}))
      if (body.code === "other_person") return location.reload() // it waits here until its writer is back
      if (answer.ok) this.change(entry.id, { receipt: body.number ?? String(body.seq ?? "") })
      else {
        this.entries = this.entries.filter((one) => one.id !== entry.id)
        this.refused(entry, body)
      }
      this.tries = 0
    }
  }

  later(seconds) {
    const wait = Math.max(1000 * (Number(seconds) || 0), Math.min(30_000, 500 * 2 ** this.tries++))
    this.timer = setTimeout(() => this.flush(), wait * (0.5 + Math.random() / 2))
    this.show(this.entries)
  }
}

export function entriesIn(name) {
  try { return JSON.parse(localStorage.getItem(name)) ?? [] } catch { return [] }
}

export function newId() {
  return crypto.randomUUID?.() ?? [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("")
}
