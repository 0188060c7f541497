// The sign-in page: what was written to us stays in this browser until it was sent.

const form = document.querySelector("[data-draft]"), box = form?.elements.text
const name = "sahut-write-draft"
if (box) {
  if (!box.value) box.value = localStorage.getItem(name) ?? ""
  box.addEventListener("input", () => localStorage.setItem(name, box.value))
  form.addEventListener("submit", () => localStorage.removeItem(name))
}
