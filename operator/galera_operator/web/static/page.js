// Keeps the page as the operator sees the clusters: takes the parts that changed from /events and puts them in place.
"use strict";
const live = document.getElementById("live");
const SILENT_MS = 8000; // the operator says something at least every 2 s
let heard = 0;

function show(state, text) {
  if (live.dataset.state !== state) {
    live.dataset.state = state;
    live.textContent = text;
  }
}

// Changes what differs and leaves the rest alone: focus, selection, scrolling and what a person has folded stay as they are.
function patch(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.nodeValue = fresh.nodeValue;
    return;
  }
  const folds = old.nodeName === "DETAILS";
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && !(folds && name === "open")) old.removeAttribute(name);
  for (const { name, value } of [...fresh.attributes]) {
    if (old.getAttribute(name) !== value && !(folds && name === "open")) old.setAttribute(name, value);
  }
  patchChildren(old, fresh);
}

function patchChildren(old, fresh) {
  const before = [...old.childNodes];
  const after = [...fresh.childNodes];
  after.forEach((node, at) => (at < before.length ? patch(before[at], node) : old.append(node)));
  before.slice(after.length).forEach((node) => node.remove());
}

function take(parts) {
  if (parts.clusters !== undefined) {
    const fresh = document.createElement("template");
    fresh.innerHTML = "\n" + parts.clusters + "\n";
    patchChildren(document.getElementById("clusters"), fresh.content);
  }
  if (parts.looked !== undefined) document.getElementById("looked").textContent = parts.looked;
  if (parts.title !== undefined) document.title = parts.title;
}

function follow() {
  const stream = new EventSource("/events");
  stream.onmessage = (message) => {
    heard = Date.now();
    show("live", "live");
    take(JSON.parse(message.data));
  };
  stream.onerror = () => {
    show("lost", "no answer from the operator");
    if (stream.readyState === EventSource.CLOSED) setTimeout(follow, 5000);
  };
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button.copy");
  if (!button) return;
  const code = button.parentElement.querySelector("code");
  const range = document.createRange();
  range.selectNodeContents(code);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
  // Without https there is no clipboard to write to; the command is selected then.
  if (navigator.clipboard) await navigator.clipboard.writeText(code.textContent).catch(() => {});
});

document.documentElement.classList.add("js");
setInterval(() => heard && Date.now() - heard > SILENT_MS && show("lost", "no answer from the operator"), 1000);
follow();
