// The desk: queue, conversation and money follow the stream; a reply goes out only when everything was seen.

import { $, conversation, forgetOnSignOut, page, refresh, sendJson, soon, toast, watch } from "./page.js"

const kept = `sahut-desk-${page.person}`
const queue = soon(() => refresh($("#queue")), 120)
const feed = soon(() => refresh($("#feed")), 120)
const facts = soon(() => refresh($("#facts")), 120)
const moved = $("#moved")
const talk = conversation({
  kept: `${kept}-${page.case}`,
  address: (number, after) => `/desk/partials/cases/${number}?after=${after}`,
  post: (entry) =>
    sendJson(`/api/v1/desk/cases/${page.case}/replies`, { client_message_id: entry.id, text: entry.text, seen_seq: entry.seen }),
  refused: async (problem) => {
    if (problem.code !== "conversation_moved") return toast(problem.detail ?? page.refused)
    await talk.bring()
    moved.hidden = false
  },
})

watch({
  onEvent(event) {
    if (event.topic === "wallet") return feed()
    queue()
    if (event.body.case !== page.case) return
    talk.refresh()
    facts()
  },
  onReset() { queue(); feed(); facts(); talk.reload() },
})
forgetOnSignOut(kept)
$("#composer")?.addEventListener("submit", () => { moved.hidden = true })

// Time left goes on without events.
setInterval(queue, 30_000)

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return
  const key = event.key.toLowerCase()
  if (key === "r" && $("#composer")) { event.preventDefault(); $("#composer").elements.text.focus() }
  if (key !== "j" && key !== "k") return
  const rows = [...document.querySelectorAll("#queue .qrow")]
  const at = rows.indexOf(document.activeElement)
  rows[Math.max(0, Math.min(rows.length - 1, at + (key === "j" ? 1 : -1)))]?.focus()
})
