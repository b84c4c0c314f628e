// Package js holds the pieces of JavaScript's behaviour that the formats of
// the Node session packages depend on: objects whose members have an order,
// dates, numbers, base64 and UTF-8 as Node's Buffer reads them.
package js
