// Package e2e tests the shop in a real browser, Chromium and where there is one Firefox,
// started by the tests without a window, and behind real proxies. It is a module of its own so
// that users of the library do not download what drives the browser.
//
//	go test -v -shots DIR    also keeps screenshots
package e2e
