// What is shown comes from stores and visitors, so it becomes text, never markup.
const $ = (id) => document.getElementById(id);

function element(name, attributes, ...children) {
	const e = document.createElement(name);
	Object.assign(e, attributes);
	e.append(...children);
	return e;
}

const zero = "0001-01-01T00:00:00Z";
const when = (text) => (!text || text === zero ? "never" : new Date(text).toLocaleString());

function since(text, now) {
	if (!text || text === zero) return "never";
	return long(Math.max(0, (new Date(now) - new Date(text)) / 1000));
}

function long(seconds) {
	if (seconds < 1) return "0 s";
	for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
		if (seconds >= 2 * size) return `${Math.floor(seconds / size)} ${unit}`;
	}
	return `${Math.floor(seconds)} s`;
}

function bytes(n) {
	return n < 10000 ? `${n} B` : n < 1e7 ? `${Math.round(n / 1000)} KB` : `${Math.round(n / 1e6)} MB`;
}

function facts(rows) {
	const list = element("dl", {});
	for (const [name, value] of rows) {
		if (value) list.append(element("dt", {}, name), element("dd", {}, String(value)));
	}
	return list;
}

async function ask(path, body) {
	const answer = await fetch(path, body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
	const said = await answer.json().catch(() => ({}));
	if (!answer.ok) throw new Error((said.error || `the page answers ${answer.status}`).replace(/^admin: /, ""));
	return said;
}

let mayAct = false;
let lastDrawn = "";

async function refresh() {
	let s;
	try {
		s = await ask("api/status");
	} catch (e) {
		problem(`This page is not up to date: ${e.message}`);
		return;
	}
	problem(s.problem ? `The other instances cannot be read${s.read ? `, since ${since(s.read, s.now)}` : ""}: ${s.problem}` : "");
	mayAct = s.mayAct;
	$("who").textContent = `${s.by || "You"}${mayAct ? "" : ", who may look only"}, at ${s.instances[0].name}, ${new Date(s.now).toLocaleTimeString()}`;
	$("here").textContent = s.instances[0].name;
	$("everybody").hidden = !mayAct;
	$("ordering").hidden = !mayAct || !s.orders;
	const drawn = s.instances.map((i) => instance(i, s.now));
	const text = drawn.map((e) => e.outerHTML).join();
	if (text !== lastDrawn) $("instances").replaceChildren(...drawn);
	lastDrawn = text;
	if (s.events) listen();
}

function problem(text) {
	if ($("problem").textContent !== text) $("problem").textContent = text;
	$("problem").hidden = text === "";
}

function instance(i, now) {
	const st = i.stats;
	const card = element("article", { className: i.gone ? "gone" : "" }, element("h3", {}, i.name));
	if (i.gone) card.append(element("p", { className: "state ill" }, `Gone: nothing was heard of it for ${since(i.written, now)}`));
	else card.append(element("p", { className: `state ${st.Failing ? "ill" : "well"}` }, st.Failing ? "The store is failing" : "The store serves"));
	if (i.order && (i.order.mode !== "auto" || i.order.lease)) {
		const o = i.order;
		const lease = o.lease ? `, backups vouch for ${long(o.lease / 1e9)}` : "";
		card.append(element("p", { className: "state mending" }, `Order: ${o.mode}${o.shard ? ` for ${o.shard}` : ""}${lease}${o.by ? `, by ${o.by}` : ""}, ${o.until ? `until ${when(o.until)}` : "without an end"}`));
	}
	for (const s of st.Shards || []) card.append(shard(s, now));
	const j = st.Journal;
	const waits = j.States + j.Tombstones + j.Again;
	card.append(facts([
		["started", `${since(i.started, now)} ago`],
		["waiting", waits ? `${j.States} changes, ${j.Tombstones + j.Again} ends of sessions, ${bytes(j.Bytes)}, the oldest since ${since(j.Oldest, now)}` : "nothing"],
		["revocations", `${j.Known} known${j.Early ? `, ${j.Early} forgotten early` : ""}`],
		["lost for good", j.Lost],
		["from backups", st.Degraded && `${st.Degraded} loads`],
		["failures", st.Failures],
		["journal file", j.File.Unwritten && `lacks ${j.File.Unwritten} sessions`],
	]));
	return card;
}

function shard(s, now) {
	const look = { serving: "well", returning: "mending", "reads only": "mending", away: "ill" }[s.State] || "ill";
	return element("div", { className: "shard" },
		element("span", { className: `state ${look}` }, s.State), ` ${s.Name || "the whole store"}`,
		facts([
			["since", `${when(s.Since)}${s.Cause ? `: ${s.Cause}` : ""}`],
			["heard, told", `${since(s.Heard, now)}, ${since(s.Told, now)} ago`],
			["quarantine", s.Quarantine > 0 && long(s.Quarantine / 1e9)],
			["evicted", s.Evictions],
		]));
}

let shown = () => {}; // shows what was searched again

function say(text) { $("message").textContent = text; }

function list(sessions, empty) {
	$("found").replaceChildren(...sessions.map((s) => {
		const row = element("li", {}, element("code", {}, s.id), facts([
			["user", s.user],
			["logged in", s.loggedIn && when(s.loggedIn)],
			["began", when(s.began)],
			["last used", when(s.seen)],
			["ends", when(s.expires)],
			["values", s.incomplete ? "not read" : s.names.join(", ") || "none"],
			...Object.entries(s.values || {}).map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]),
		]));
		if (mayAct) {
			const button = element("button", { className: "danger" }, "End this session");
			button.addEventListener("click", () => act(`End the session ${s.id}${s.user ? ` of ${s.user}` : ""}?`, "api/end", { id: s.id }, "The session has ended"));
			row.append(button);
		}
		return row;
	}));
	if (sessions.length === 0) say(empty);
}

async function findUser(user) {
	shown = () => findUser(user);
	try {
		const found = await ask(`api/sessions?${new URLSearchParams({ user })}`);
		say(found.problem ? `There may be more than these: ${found.problem}` : `${found.sessions.length} of ${user}`);
		list(found.sessions, `${user} is not logged in anywhere that the list knows of.`);
	} catch (e) {
		list([], e.message);
	}
	$("end-user").hidden = !mayAct;
	$("end-user").textContent = `End all sessions of ${user}`;
	$("end-user").onclick = () => act(`End all sessions of ${user}, wherever they are?`, "api/end-user", { user }, `All sessions of ${user} have ended`);
}

async function findSession(id) {
	shown = () => findSession(id);
	$("end-user").hidden = true;
	try {
		say("");
		list([await ask(`api/session?${new URLSearchParams({ id })}`)]);
	} catch (e) {
		list([], e.message);
	}
}

function act(question, path, body, done) {
	$("sure-text").textContent = question;
	$("sure-yes").onclick = async () => {
		$("sure").close();
		let said;
		try {
			const { outcome, missing } = await ask(path, body);
			if (missing) done = "No session had this ID any more, and none can begin under it";
			said = outcome === "durable" ? `${done}.` : `${done} here. The store has not taken it yet: the other instances hear of it when it does.`;
		} catch (e) {
			said = `That did not work: ${e.message}`;
		}
		await shown();
		say(said);
	};
	$("sure").showModal();
}

$("sure-no").addEventListener("click", () => $("sure").close());
for (const [id, go] of [
	["find-user", (f) => findUser(f.get("user").trim())],
	["find-session", (f) => findSession(f.get("id").trim())],
	["find-before", (f) => {
		const t = new Date(f.get("before"));
		act(`End everybody’s sessions up to ${t.toLocaleString()}? All those people must log in again.`, "api/end-before", { before: t.toISOString() }, "They have ended");
	}],
]) {
	$(id).addEventListener("submit", (e) => {
		e.preventDefault();
		go(new FormData(e.target));
	});
}

function order(question, path, body, done) {
	$("sure-text").textContent = question;
	$("sure-yes").onclick = async () => {
		$("sure").close();
		try {
			await ask(path, body);
			$("ordered").textContent = `${done} The instances follow within seconds; each shows here what it goes by.`;
		} catch (e) {
			$("ordered").textContent = `That did not work: ${e.message}`;
		}
		await refresh();
	};
	$("sure").showModal();
}

$("give-order").addEventListener("submit", (e) => {
	e.preventDefault();
	const o = Object.fromEntries([...new FormData(e.target)].map(([name, value]) => [name, value.trim()]).filter(([, value]) => value));
	order(`Order ${o.mode}${o.shard ? ` for ${o.shard}` : ""} to all instances, for ${o.for}?`, "api/order", o, "The order is given.");
});
$("clear-order").addEventListener("click", () => {
	const reason = $("reason").value.trim();
	if (!reason) {
		$("ordered").textContent = "Write a reason first.";
		$("reason").focus();
		return;
	}
	order("End the order that stands, for all instances?", "api/clear-order", { reason }, "No order stands.");
});

let stream;

function listen() {
	if (stream && stream.readyState !== EventSource.CLOSED) return;
	$("happening").hidden = false;
	stream = new EventSource("api/events");
	stream.onmessage = (m) => {
		const e = JSON.parse(m.data);
		const words = [e.kind, e.shard, e.user, e.session, e.detail, e.unseen && `and ${e.unseen} more`].filter(Boolean).join(" · ");
		$("events").prepend(element("li", {}, element("time", { dateTime: e.at }, new Date(e.at).toLocaleTimeString()), words));
		while ($("events").children.length > 256) $("events").lastChild.remove();
	};
}

async function watch() {
	if (!document.hidden) await refresh();
	setTimeout(watch, 2000);
}
watch();
