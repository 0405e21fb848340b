// Package syntax turns the text of rule files into trees whose every token
// knows its line and column: header, address and port lists, options, quoted
// strings, contents with hexadecimal parts. It knows how rules are written and
// no keyword, protocol or variable; package rule gives them their meaning.
package syntax
