// Package e2e tests the shop in a real browser, Chromium, started by the tests
// without a window, and behind a real proxy, nginx. It is a module of its own so that nobody else
// downloads what drives the browser.
//
//	go test -v -shots DIR    also keeps screenshots
package e2e
