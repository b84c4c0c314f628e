// Every piece of text whose contrast with what is behind it is below 4.5:1,
// after WCAG 2.2, 1.4.3.
(() => {
	const parse = (color) => color.match(/[\d.]+/g).map(Number);
	const luminance = ([r, g, b]) => [r, g, b]
		.map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
		.reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
	const behind = (element) => {
		for (; element; element = element.parentElement) {
			const color = parse(getComputedStyle(element).backgroundColor);
			if (color[3] === undefined || color[3] === 1) return color;
			if (color[3] !== 0) throw new Error("half a background: " + element.outerHTML);
		}
		return [255, 255, 255];
	};
	const bad = [];
	let seen = 0;
	const check = (element, text) => {
		seen++;
		const [a, b] = [parse(getComputedStyle(element).color), behind(element)].map(luminance);
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < 4.5) bad.push(`${ratio.toFixed(2)} ${text.trim()} (${element.tagName})`);
	};
	const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (texts.nextNode()) {
		const { parentElement, data } = texts.currentNode;
		if (data.trim() && parentElement.checkVisibility()) check(parentElement, data);
	}
	for (const input of document.querySelectorAll("input:not([type=hidden])")) check(input, input.name);
	if (seen < 3) bad.push("there is hardly any text");
	return bad;
})()
