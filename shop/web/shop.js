// The page works without this file. With it, the cart changes without the page
// loading anew: the same forms go to the same routes, and of the page that
// comes back only what has changed is shown.
"use strict";

const message = document.getElementById("message");
let forget; // the timer of what was said
let reading = false; // the session is being read again
let before = Promise.resolve(); // one form after the other, as they were sent

document.addEventListener("submit", (event) => {
	const form = event.target;
	if (!form.matches("[data-quiet]")) return;
	event.preventDefault();
	const body = new URLSearchParams(new FormData(form));
	before = before.then(() => send(form, body)).catch(() => {
		complain("The shop does not answer. Try again in a moment.", form);
	});
});

async function send(form, body) {
	const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "text/html" } });
	const page = new DOMParser().parseFromString(await answer.text(), "text/html");
	if (!answer.ok) {
		complain(page.getElementById("problem")?.textContent ?? "This did not work.", form);
		return;
	}
	const wasAt = focused();
	for (const id of ["account", "cart", "session"]) {
		document.getElementById(id).replaceWith(document.adoptNode(page.getElementById(id)));
	}
	say(page.getElementById("message").textContent, form.isConnected ? form : document.querySelector("#cart h2"));
	if (wasAt) (document.querySelector(wasAt) ?? document.getElementById("cart")).focus();
}

// complain shows a message that stays, below what was pressed. There it covers
// nothing. It is said in its place at the top of the page too, for those who
// listen; they hear it once.
function complain(text, near) {
	clearTimeout(forget);
	message.textContent = text;
	message.classList.add("unseen");
	const seen = document.createElement("p");
	seen.className = "said";
	seen.ariaHidden = "true";
	seen.textContent = text;
	document.querySelector(".said")?.remove();
	(near.closest(".buttons") ?? near).after(seen);
}

// say shows one that goes: the cart shows the same.
function say(text, near) {
	complain(text, near);
	forget = setTimeout(() => {
		message.textContent = "";
		document.querySelector(".said")?.remove();
	}, 8000);
}

// focused finds again what has the focus, if that is a button in the cart.
function focused() {
	const form = document.activeElement?.closest("#cart form");
	if (!form) return null;
	const item = form.elements.item?.value;
	return item ? `#cart form:has([value="${item}"]) button` : "#cart form[action$=clear] button";
}

// The panel is live: the server sends what has changed on it, and says it at
// once when something happens. Buttons stay where they are, and so does the
// focus.
const live = document.getElementById("live");
if (live) {
	const shown = {};
	const events = new EventSource("/live"); // connects again where it ends
	events.addEventListener("ended", async () => {
		await readAgain();
		if (document.querySelector("#session:not([data-source])")) complain("You are logged out.", document.getElementById("account"));
	});
	events.addEventListener("message", (event) => {
		const { condition, lane, ...parts } = JSON.parse(event.data);
		if (live.dataset.condition) live.dataset.condition = condition;
		const changed = live.dataset.lane !== lane;
		live.dataset.lane = lane;
		// A request may have gone to the backup before the shop took the store for
		// away: then nothing changes when the store answers.
		if (changed || lane === "serving" && document.querySelector("#session[data-source=backup]")) readAgain();
		for (const [id, html] of Object.entries(parts)) {
			if (shown[id] === html) continue;
			shown[id] = html;
			const part = document.getElementById(id);
			if (part) part.innerHTML = html;
		}
	});
}

// readAgain shows where the session is read from, now that the store has gone or
// come back.
async function readAgain() {
	if (reading || !document.getElementById("session")) return; // the page of an error has none
	reading = true;
	try {
		const answer = await fetch("/session", { headers: { Accept: "text/html" } });
		if (!answer.ok) return; // what is shown says when it was read
		const page = new DOMParser().parseFromString(await answer.text(), "text/html");
		document.getElementById("session").replaceWith(document.adoptNode(page.getElementById("session")));
	} catch { /* the shop is not there, and the next form says so */ } finally { reading = false; }
}

document.addEventListener("submit", (event) => {
	const form = event.target;
	if (!form.matches("[data-live]")) return;
	event.preventDefault();
	fetch(form.action, {
		method: "POST", body: new URLSearchParams(new FormData(form)),
		headers: { Accept: "text/html" }, redirect: "manual",
	}).then(async (answer) => {
		if (answer.type === "opaqueredirect") return; // done; the panel tells the rest
		const page = new DOMParser().parseFromString(await answer.text(), "text/html");
		complain(page.getElementById("problem")?.textContent ?? "This did not work.", form);
	}).catch(() => complain("The shop does not answer. Try again in a moment.", form));
});
