// The customer's page: balance and activity follow the money, the conversation follows the messages.

import { $, conversation, forgetOnSignOut, ours, page, refresh, sendJson, soon, toast, watch } from "./page.js"

const kept = `sahut-${page.person}`
const money = soon(() => { refresh($("#balance")); refresh($("#activity")) })
const talk = conversation({
  kept,
  address: (number, after) => `/partials/thread?case=${number}&after=${after}`,
  post: (entry) => sendJson("/api/v1/contacts", { client_message_id: entry.id, text: entry.text }),
  refused: (problem) => toast(problem.detail ?? page.refused),
})

watch({
  onEvent: (event) => (event.topic === "wallet" ? money() : talk.refresh()),
  onReset: () => { money(); talk.reload() },
})
forgetOnSignOut(kept)

// The form for sending money: posted as it is, and the part that comes back takes its place.
document.addEventListener("submit", async (event) => {
  const form = event.target.closest("[data-swap]")
  if (!form) return
  event.preventDefault()
  const target = $(form.dataset.swap), button = $("button", form)
  button.disabled = true
  try {
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), headers: { "sahut-partial": "1", ...ours } })
    if (answer.status === 401) return location.reload()
    const html = answer.headers.get("content-type")?.startsWith("text/html")
    if (!html) {
      const problem = await answer.json()
      if (problem.code === "other_person") return location.reload()
      throw new Error(problem.detail)
    }
    target.innerHTML = await answer.text()
    const wrong = $("[aria-invalid]", target)
    wrong?.focus()
  } catch (error) {
    // The form keeps its key, so sending it again cannot send twice.
    toast(error instanceof TypeError ? $("#net b").textContent : error.message)
    button.disabled = false
  }
})

// The bar at the bottom of a phone says where on the page one is.
function mark() {
  for (const link of document.querySelectorAll(".tabbar a")) {
    if (link.hash === (location.hash || "#main")) link.setAttribute("aria-current", "page")
    else link.removeAttribute("aria-current")
  }
}
addEventListener("hashchange", mark)
mark()
