// Package model holds the words that every part of Masugata shares: device,
// layer, event, action, incident, part. It knows their fields and their text
// forms and nothing of how they are stored, sent or shown. Everything imports
// it; it imports only the standard library.
//
// Values are plain data: safe to copy, not safe to change from two goroutines.
package model
