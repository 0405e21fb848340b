// Package pcre is Perl-compatible regular expressions over bytes, as the rule
// language writes them: \x41, look-around, back-references, atomic groups and
// possessive quantifiers, "$" before a last newline. It knows expressions and
// byte strings, and nothing of rules or buffers. Matching is backtracking with
// a bound on its steps; an expression without look-around and back-references
// that meets the bound is matched again with a memory of failed states, which
// takes time linear in the input. Package payload calls it.
//
// Go's regexp reads its input as UTF-8, has neither look-around nor "$" before
// a newline, and allocates to say where a match is: hence this package.
package pcre
