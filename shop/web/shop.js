// The page works without this file. With it, the cart changes without the page
// loading anew: the same forms go to the same routes, and of the page that
// comes back only what has changed is shown.
"use strict";

const message = document.getElementById("message");
let forget; // the timer of what was said
let before = Promise.resolve(); // one form after the other, as they were sent

document.addEventListener("submit", (event) => {
	const form = event.target;
	if (!form.matches("[data-quiet]")) return;
	event.preventDefault();
	const body = new URLSearchParams(new FormData(form));
	before = before.then(() => send(form.action, body)).catch(() => {
		complain("The shop does not answer. Try again in a moment.");
	});
});

async function send(action, body) {
	const answer = await fetch(action, { method: "POST", body, headers: { Accept: "text/html" } });
	const page = new DOMParser().parseFromString(await answer.text(), "text/html");
	if (!answer.ok) {
		complain(page.getElementById("problem")?.textContent ?? "This did not work.");
		return;
	}
	const wasAt = focused();
	for (const id of ["account", "cart", "session"]) {
		document.getElementById(id).replaceWith(document.adoptNode(page.getElementById(id)));
	}
	say(page.getElementById("message").textContent);
	if (wasAt) (document.querySelector(wasAt) ?? document.getElementById("cart")).focus();
}

// complain shows a message that stays.
function complain(text) {
	clearTimeout(forget);
	message.textContent = text;
}

// say shows one that goes: the cart shows the same.
function say(text) {
	complain(text);
	forget = setTimeout(() => { message.textContent = ""; }, 8000);
}

// focused finds again what has the focus, if that is a button in the cart.
function focused() {
	const form = document.activeElement?.closest("#cart form");
	if (!form) return null;
	const item = form.elements.item?.value;
	return item ? `#cart form:has([value="${item}"]) button` : "#cart form:not(:has([name])) button";
}

// The strip is live: the server sends what has changed on it, and says it at
// once when something happens. Buttons stay where they are, and so does the
// focus.
const live = document.getElementById("live");
if (live) {
	const shown = {};
	new EventSource("/live").addEventListener("message", (event) => {
		const { condition, ...parts } = JSON.parse(event.data);
		if (live.dataset.condition) live.dataset.condition = condition;
		for (const [id, html] of Object.entries(parts)) {
			if (shown[id] === html) continue;
			shown[id] = html;
			const part = document.getElementById(id);
			if (part) part.innerHTML = html;
		}
	});
}

document.addEventListener("submit", (event) => {
	const form = event.target;
	if (!form.matches("[data-live]")) return;
	event.preventDefault();
	fetch(form.action, {
		method: "POST", body: new URLSearchParams(new FormData(form)),
		headers: { Accept: "text/html" }, redirect: "manual",
	}).then(async (answer) => {
		if (answer.type === "opaqueredirect") return; // done; the strip tells the rest
		const page = new DOMParser().parseFromString(await answer.text(), "text/html");
		complain(page.getElementById("problem")?.textContent ?? "This did not work.");
	}).catch(() => complain("The shop does not answer. Try again in a moment."));
});
