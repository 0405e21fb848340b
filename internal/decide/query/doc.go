// Package query is the small language in which people and alert rules ask for
// events: `severity:>=high layer:network device:cam-* not rule:2034* since:24h`.
// It parses text into a [Query], a tree that event stores turn into their own
// language, and evaluates the same tree on one event with [Query.Match], so a
// live filter, an alert rule and a search over stored events mean the same.
//
// It knows the fields of model.Event and nothing of stores, users or screens.
// The event stores, the console's live view and alert rules call it. It is
// pure: time and the names of devices are arguments.
//
// # Language
//
// Terms stand side by side (and), or are joined with and, or, not and
// parentheses; not binds tightest, or loosest. A term is field:value or a free
// word. Values may be lists (a,b means a or b), may be compared (>=high, >10,
// <=5) and be ranges (low..high). In text, * stands for any run of characters;
// "quotes" take everything literally, also as a phrase of several words.
//
//   - severity, count: compared by order; layer: device, network, control, data
//   - device, reporter, kind, rule, technique, id: the whole value, * allowed;
//     device also by the device's name
//   - subject, explanation, advice: contain the value; with * at an end or in
//     the middle the pieces in order; with = the whole value
//   - ip, mac, domain, url, sha256, sha1, md5, ja4, certificate, path, port,
//     protocol, class: an observable of that type, the whole value, * allowed
//   - since, until: a moment (2026-11-23, 2026-11-23T10:30, with Z or an offset;
//     UTC without) or a time ago (24h, 7d, 1h30m); time: a range of those
//   - a free word or phrase: contained in subject, explanation, rule, kind or an
//     observable written as type=value
//
// Letter case does not matter. (Devices, reporters and kinds are in lower case by
// definition; a hostile event with one that is not is found by other fields.)
package query
