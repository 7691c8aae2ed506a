"use strict";
// The page follows the order: it hears that there is a new one, fetches the rows, and says when it hears nothing.
const SILENCE_MS = 5000;
const AGAIN_MS = 2000;
const list = document.getElementById("list");
const notice = document.getElementById("connection");
const following = document.getElementById("following");
let heardAt = Date.now();
let heardClock = "";
let shown = "";
let isAsking = false;
let isWanted = false;

function shownTime() {
  const time = list.querySelector(".order time");
  return time ? time.textContent : "an unknown time";
}

function setGone(isGone) {
  if (isGone !== notice.hidden) return; // said already
  document.body.classList.toggle("is-gone", isGone);
  const last = heardClock ? ` Last heard from at ${heardClock}.` : "";
  notice.textContent = isGone
    ? `Connection lost: this is the order of ${shownTime()} and it no longer follows new studies.${last}`
    : "";
  notice.hidden = !isGone;
  following.textContent = isGone ? "not following" : "following";
}

async function refresh() {
  // One question at a time: were each new one to take the place of the last, a list that changes faster than it is
  // answered would never be drawn. What is wanted meanwhile is asked for when the answer is there.
  isWanted = true;
  if (isAsking) return;
  isAsking = true;
  while (isWanted) {
    isWanted = false;
    await ask();
  }
  isAsking = false;
}

async function ask() {
  try {
    // Rows that need not move stay where the reader saw them: the list is told which those are.
    const before = Array.from(list.querySelectorAll("[data-item]"), (row) => row.dataset.item).join(" ");
    const headers = { "Voorrang-Shown": before };
    const answer = await fetch(`/rows${location.search}`, { headers, cache: "no-store", signal: AbortSignal.timeout(SILENCE_MS) });
    if (!answer.ok) throw new Error(String(answer.status));
    const rows = await answer.text();
    if (rows !== shown) list.innerHTML = rows;
    shown = rows;
    heardAt = Date.now();
    following.textContent = "following";
    setGone(false);
  } catch {
    setGone(true);
  }
}

function follow() {
  const stream = new EventSource("/changes");
  stream.addEventListener("order", (event) => {
    const told = JSON.parse(event.data);
    heardAt = Date.now();
    heardClock = told.at;
    if (told.changed || !notice.hidden) refresh();
  });
  stream.onerror = () => {
    // Not left to the browser: it waits longer each time, and for ever after some errors.
    stream.close();
    setGone(true);
    setTimeout(follow, AGAIN_MS);
  };
}

function offerUndo(said, item, left) {
  const button = document.createElement("button");
  button.dataset.act = "undo";
  button.textContent = "Undo";
  said.dataset.item = item;
  const more = left === 1 ? "1 study came that you had not seen, and is" : `${left} studies came that you had not seen, and are`;
  said.replaceChildren(left ? `Done, but ${more} still to be read here. ` : "Done: it left the list. ", button);
  said.hidden = false;
}

async function act(element) {
  const row = element.closest("[data-item]");
  const path = row ? `items/${encodeURIComponent(row.dataset.item)}/${element.dataset.act}` : element.dataset.act;
  const reader = document.getElementById("reader");
  const body = { reader: reader ? reader.value : "" };
  if (element.dataset.judgement) body.judgement = element.dataset.judgement;
  if (element.value) body.because = element.value;
  // What this row had when it was pressed: of a study that came since nothing is said.
  if (element.dataset.act === "done") body.studies = row.dataset.studies.split(" ");
  const said = document.getElementById("answer");
  try {
    const answer = await fetch(`/api/worklist/${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(SILENCE_MS),
    });
    const told = answer.status === 204 ? {} : await answer.json();
    const refused = answer.ok ? "" : told.detail;
    said.textContent = typeof refused === "string" ? refused : "not understood";
    said.hidden = answer.ok;
    if (answer.ok && element.dataset.act === "done") offerUndo(said, row.dataset.item, told.studies_to_read.length);
  } catch {
    said.textContent = "No answer: this was perhaps not written down.";
    said.hidden = false;
  }
  refresh();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-act]");
  if (button) act(button);
});
document.addEventListener("change", (event) => {
  if (event.target.matches("select[data-act]") && event.target.value) act(event.target);
});

follow();
setInterval(() => { if (Date.now() - heardAt > SILENCE_MS) setGone(true); }, 500);
setInterval(() => { if (notice.hidden) refresh(); }, 30000); // waiting times grow without an event
