// The documentation site: the entry of this page in view, and a search through titles, headings and exported names. Pages can be read without it.
const nav = document.querySelector("nav"), box = document.getElementById("search"), found = document.getElementById("found"), pages = document.getElementById("pages")

function reveal() {
  const here = nav.querySelector(".here")
  if (here) nav.scrollTop = here.getBoundingClientRect().top - nav.getBoundingClientRect().top + nav.scrollTop - nav.clientHeight / 4
}
reveal()
document.getElementById("menu").addEventListener("change", reveal)

// the index comes when it is asked for; a script, because pages opened as files may not fetch
function load() {
  if (window.INDEX || document.querySelector("script[src='search.js']")) return
  const script = document.createElement("script")
  script.src = "search.js"
  script.onload = search
  document.head.append(script)
}

function score(entry, words) {
  const name = entry[0].toLowerCase(), text = entry[2].toLowerCase()
  let sum = 0
  for (const word of words) {
    if (name === word) sum += 8
    else if (name.startsWith(word) || name.endsWith("." + word)) sum += 4
    else if (name.includes(word)) sum += 3
    else if (text.includes(word)) sum += 1
    else return 0
  }
  return sum
}

function search() {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean)
  pages.hidden = words.length > 0 && Boolean(window.INDEX)
  found.hidden = !pages.hidden
  if (!pages.hidden) return
  const hits = window.INDEX.map(entry => [score(entry, words), entry]).filter(hit => hit[0]).sort((a, b) => b[0] - a[0] || a[1][0].length - b[1][0].length).slice(0, 40)
  found.replaceChildren(...hits.map(([, [name, where, text]]) => {
    const item = document.createElement("li"), link = document.createElement("a"), small = document.createElement("small")
    link.href = where
    small.textContent = text
    link.append(name, small)
    link.addEventListener("click", () => { document.getElementById("menu").checked = false })
    item.append(link)
    return item
  }))
  if (!hits.length) found.textContent = "nothing found"
}

box.addEventListener("focus", load)
box.addEventListener("input", () => { load(); search() })
box.addEventListener("keydown", event => {
  const first = found.querySelector("a")
  if (event.key === "Enter" && first) first.click()
  if (event.key === "Escape") { box.value = ""; search() }
})

for (const block of document.querySelectorAll("pre.copy")) {
  const button = document.createElement("button")
  button.textContent = "copy"
  button.addEventListener("click", async () => { await navigator.clipboard.writeText(block.textContent); button.textContent = "copied" })
  block.before(button)
}
