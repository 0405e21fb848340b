// Package intel holds what is known beforehand: the reputation of addresses,
// names and files below reputation/, later the flaws of products. It is pure:
// readers, times and settings are arguments. Detection does not know it;
// decisions and the roles ask it.
package intel
