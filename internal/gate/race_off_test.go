//go:build !race

package gate

// raceEnabled says that times are not to be judged.
const raceEnabled = false
