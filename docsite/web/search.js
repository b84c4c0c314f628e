// The search of the documents. It needs no server: search-index.js holds all sections.
'use strict'

const root = document.currentScript.dataset.root
const found = document.getElementById('found')
const query = document.getElementById('query')
const most = 20

// A section has all words, each as the beginning of a word or inside of one. Titles
// count more than text.
function search (words) {
  const hits = []
  for (const s of sections) {
    const title = (s.page + ' ' + s.title).toLowerCase()
    const text = s.text.toLowerCase()
    let score = 0
    const all = words.every((w) => {
      const inTitle = title.includes(w)
      const times = text.split(w).length - 1
      score += (inTitle ? 20 : 0) + Math.min(times, 5)
      return inTitle || times > 0
    })
    if (all) hits.push({ s, score })
  }
  return hits.sort((a, b) => b.score - a.score).map((h) => h.s)
}

// around is the text beside the first word that is in it, from a whole word to a whole word.
function around (text, words) {
  const at = words.map((w) => text.toLowerCase().indexOf(w)).filter((i) => i >= 0)
  const first = Math.min(...at, text.length)
  const from = first > 60 ? text.lastIndexOf(' ', first - 60) + 1 : 0
  const end = text.length > from + 220 ? text.lastIndexOf(' ', from + 220) : text.length
  const to = end > first ? end : from + 220 // a word that is longer than all that is shown
  return (from > 0 ? '… ' : '') + text.slice(from, to) + (to < text.length ? ' …' : '')
}

// marked is text in which the words are marked.
function marked (text, words) {
  const p = document.createElement('p')
  const escaped = words.map((w) => w.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  text.split(new RegExp('(' + escaped.join('|') + ')', 'i')).forEach((part, i) => {
    if (i % 2 === 0) return p.append(part)
    const mark = document.createElement('mark')
    mark.textContent = part
    p.append(mark)
  })
  return p
}

function show () {
  const words = query.value.toLowerCase().split(/\s+/).filter(Boolean)
  found.replaceChildren()
  found.hidden = words.length === 0
  if (found.hidden) return
  const hits = search(words)
  const title = document.createElement('h2')
  title.textContent = hits.length === 0 ? 'Nothing found' : hits.length > most ? 'The best ' + most + ' of ' + hits.length + ' sections' : hits.length + (hits.length === 1 ? ' section' : ' sections')
  const list = document.createElement('ol')
  for (const s of hits.slice(0, most)) {
    const item = document.createElement('li')
    const link = document.createElement('a')
    link.href = root + s.link
    link.textContent = s.title === s.page ? s.page : s.page + ': ' + s.title
    item.append(link, marked(around(s.text, words), words))
    list.append(item)
  }
  found.append(title, list)
}

query.addEventListener('input', show)
document.getElementById('search').addEventListener('submit', (e) => { e.preventDefault(); show() })
found.addEventListener('click', (e) => { if (e.target.closest('a')) { query.value = ''; show() } })
if (matchMedia('(max-width: 50rem)').matches) document.querySelector('nav details').open = false

// A link to a search: index.html?q=lease
query.value = new URLSearchParams(location.search).get('q') || ''
show()
