// What the customer's page and the desk share: parts that are fetched anew, the conversation, drafts, toasts.

import { openLive } from "./live.js"
import { entriesIn, newId, Outbox } from "./outbox.js"

export const page = document.body.dataset
// Each request says for whom the page was made: when somebody else has signed in since, it is refused with 409.
export const ours = { "sahut-person": page.person }
export const $ = (selector, root = document) => root.querySelector(selector)

// Fetch a part of the page and put it where it belongs. Asked again while it is under way, it is fetched once more.
const underWay = new Map()
export async function refresh(element) {
  if (!element) return
  if (underWay.has(element)) { underWay.set(element, true); return }
  underWay.set(element, false)
  element.setAttribute("aria-busy", "true")
  try {
    const html = await part(element.dataset.part)
    if (html !== null) element.innerHTML = html
  } finally {
    element.removeAttribute("aria-busy")
    const again = underWay.get(element)
    underWay.delete(element)
    if (again) refresh(element)
  }
}

// The HTML of a part; null when it cannot be had now: then it is asked again when the stream is back.
let missed = new Set()
export async function part(address) {
  try {
    const answer = await fetch(address, { headers: { "sahut-partial": "1", ...ours }, cache: "no-store" })
    if (answer.status === 401 || answer.status === 409) location.reload()
    if (answer.ok) { missed.delete(address); return await answer.text() }
  } catch { /* away; the line above the page says so */ }
  missed.add(address)
  setTimeout(() => missed.has(address) && refreshMissed(), 2000 + Math.random() * 2000)
  return null
}

let refreshMissed = () => {}

// Wait a moment, so that events which come together cause one request.
export function soon(action, wait = 60) {
  let timer = 0
  return () => { clearTimeout(timer); timer = setTimeout(action, wait) }
}

export function watch({ onEvent, onReset }) {
  const net = $("#net")
  let connected = true, timer = 0
  refreshMissed = () => { missed = new Set(); onReset() }
  const live = openLive({
    realm: page.realm,
    person: page.person,
    after: Number(page.after),
    onEvent,
    onReset,
    onConnected(now) {
      clearTimeout(timer)
      if (now) net.hidden = true
      // A restart of the server takes a moment and needs no words.
      else timer = setTimeout(() => { net.hidden = false }, navigator.onLine ? 1500 : 0)
      if (now && !connected && missed.size) refreshMissed()
      connected = now
    },
  })
  $("[data-retry]", net).addEventListener("click", () => live.again())
}

export function toast(text) {
  const one = document.createElement("div")
  one.className = "toast"
  one.textContent = text
  $("#toasts").append(one)
  setTimeout(() => one.remove(), 8000)
}

// The conversation: `address(after)` gives its newest part. Messages are appended, never drawn twice.
export function conversation({ address, post, refused, kept }) {
  const thread = $("#thread"), form = $("#composer")
  if (!thread) return { refresh() {}, reload() {} }
  const box = form?.elements.text
  const draft = `${kept}-draft`
  const inside = () => $(".thread-part", thread)

  function show(entries) {
    const near = isNearEnd()
    for (const old of thread.querySelectorAll(".queued")) if (!entries.some((entry) => entry.id === old.dataset.clientId)) old.remove()
    for (const entry of entries) {
      let bubble = thread.querySelector(`[data-client-id="${CSS.escape(entry.id)}"]`)
      if (bubble && !bubble.classList.contains("queued")) continue
      if (!bubble) {
        bubble = document.createElement("div")
        bubble.className = "msg me queued"
        bubble.dataset.clientId = entry.id
        bubble.innerHTML = '<div class="bubble"></div><footer><svg class="i" aria-hidden="true"><use href="#i-clock"/></svg><span></span></footer>'
        bubble.firstChild.innerText = entry.text
      }
      const number = entry.receipt?.replace(/(\d{3})(?=\d)/g, "$1 ")
      bubble.querySelector("span").textContent = entry.receipt ? page.received.replace("{number}", number) : outbox.tries ? page.waiting : page.sending
      bubble.querySelector("use").setAttribute("href", entry.receipt ? "#i-check" : "#i-clock")
      thread.append(bubble)
    }
    if (entries.length) $("[data-empty]", thread)?.remove()
    if (near) toEnd()
  }

  const outbox = new Outbox({
    name: `${kept}-outbox`,
    show,
    send: post,
    refused(entry, problem) {
      if (box && !box.value.trim()) { box.value = entry.text; localStorage.setItem(draft, entry.text); grow() }
      refused(problem, entry)
    },
  })

  const isNearEnd = () => thread.scrollHeight - thread.scrollTop - thread.clientHeight < 160
  const toEnd = () => { thread.scrollTop = thread.scrollHeight }
  const grow = () => box.dispatchEvent(new Event("input"))

  // Put what is new into the conversation. Returns how many messages it brought.
  async function bring(after) {
    const html = await part(address(inside().dataset.case, after))
    if (html === null) return 0
    const fresh = $(".thread-part", new DOMParser().parseFromString(html, "text/html"))
    const near = isNearEnd()
    let brought = 0
    // Another case, or so much that was missed that the part does not join what is here.
    const first = Number($("[data-seq]", fresh)?.dataset.seq ?? 0)
    if (fresh.dataset.case !== inside().dataset.case || first > Number(inside().dataset.last) + 1) {
      brought = fresh.querySelectorAll("[data-seq]").length
      inside().replaceWith(fresh)
    } else {
      const receipt = $("[data-receipt]", fresh), old = $("[data-receipt]", inside())
      if (receipt && old && receipt.innerHTML !== old.innerHTML) old.replaceWith(receipt)
      for (const message of fresh.querySelectorAll("[data-seq]")) {
        if (inside().querySelector(`[data-seq="${message.dataset.seq}"]`)) continue
        inside().append(message)
        brought++
      }
      inside().dataset.last = String(Math.max(Number(inside().dataset.last), Number(fresh.dataset.last)))
    }
    for (const message of inside().querySelectorAll("[data-client-id]")) outbox.arrived(message.dataset.clientId)
    show(outbox.entries)
    if (near) toEnd()
    return brought
  }

  // One request at a time, so that two events cannot bring the same message twice.
  let line = Promise.resolve(0)
  const inTurn = (after) => (line = line.then(() => bring(after ?? inside().dataset.last), () => 0))

  if (box) {
    if (!box.value) box.value = localStorage.getItem(draft) ?? ""
    box.addEventListener("input", () => {
      if (box.value.trim()) localStorage.setItem(draft, box.value)
      else localStorage.removeItem(draft)
    })
    box.addEventListener("keydown", (event) => {
      const sends = page.realm === "agent" ? event.ctrlKey || event.metaKey : !event.shiftKey && matchMedia("(pointer: fine)").matches
      if (event.key === "Enter" && sends && !event.isComposing) { event.preventDefault(); form.requestSubmit() }
    })
    form.addEventListener("submit", (event) => {
      event.preventDefault()
      const text = box.value.trim()
      if (!text) return
      box.value = ""
      localStorage.removeItem(draft)
      $("#text-hint")?.remove()
      outbox.add({ text, seen: Number(inside().dataset.last) })
      toEnd()
      box.focus()
    })
  }
  for (const message of inside().querySelectorAll("[data-client-id]")) outbox.arrived(message.dataset.clientId)
  show(outbox.entries)
  outbox.flush()
  toEnd()
  return { refresh: soon(() => inTurn()), bring: () => inTurn(), reload: () => inTurn(0) }
}

// On a shared computer nothing of a person stays behind; what we have not yet got goes only when the person says so.
export function forgetOnSignOut(kept) {
  const own = () => Object.keys(localStorage).filter((key) => key.startsWith(`${kept}-`)) // the dash ends the id: 1 is not 12
  const waits = (key) => key.endsWith("-outbox") && entriesIn(key).some((entry) => !entry.receipt)
  for (const form of document.querySelectorAll("[data-sign-out]")) {
    form.addEventListener("submit", (event) => {
      if (own().some(waits) && !confirm(page.unsent)) return event.preventDefault()
      for (const key of own()) localStorage.removeItem(key)
    })
  }
}

export const sendJson = (address, body, headers = {}) =>
  fetch(address, { method: "POST", headers: { "content-type": "application/json", ...ours, ...headers }, body: JSON.stringify(body) })

export { newId }
