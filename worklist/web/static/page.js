"use strict";
// The page follows the order: it hears that there is a new one, fetches the rows, and says when it hears nothing.
const SILENCE_MS = 6000;
const list = document.getElementById("list");
const notice = document.getElementById("connection");
let heardAt = Date.now();
let wanted = 0;

function shownTime() {
  const time = list.querySelector(".order time");
  return time ? time.textContent : "an unknown time";
}

function setGone(isGone) {
  document.body.classList.toggle("is-gone", isGone);
  notice.hidden = !isGone;
  if (isGone) {
    notice.textContent = `Connection lost. This is the order of ${shownTime()}; it no longer follows new studies.`;
  }
}

async function refresh() {
  const mine = ++wanted;
  try {
    const answer = await fetch("/rows", { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    const rows = await answer.text();
    if (mine === wanted) list.innerHTML = rows;
    heardAt = Date.now();
    setGone(false);
  } catch {
    setGone(true);
  }
}

function follow() {
  const stream = new EventSource("/changes");
  stream.addEventListener("order", (event) => {
    heardAt = Date.now();
    if (JSON.parse(event.data).changed || !notice.hidden) refresh();
  });
  stream.onerror = () => {
    setGone(true);
    if (stream.readyState === EventSource.CLOSED) setTimeout(follow, 2000);
  };
}

follow();
setInterval(() => { if (Date.now() - heardAt > SILENCE_MS) setGone(true); }, 1000);
setInterval(() => { if (notice.hidden) refresh(); }, 30000);
