// Command bot is the lab's attack tool as a small program of its own, so that
// an agent sees what it would see of malware: an unknown executable. See
// package attack for what it refuses.
package main

import (
	"os"

	"github.com/masugata/masugata/internal/lab/attack"
)

func main() { os.Exit(attack.Main(os.Args[1:])) }
